internal import Glibc
internal import ServiceKit

@main enum Main {
    static func main() {
        exit(Service.run(connectorService, arguments: Array(CommandLine.arguments.dropFirst()), start: startConnector))
    }
}
