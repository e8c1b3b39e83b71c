internal import Glibc

@main enum Main {
    static func main() { exit(runSimulator(arguments: Array(CommandLine.arguments.dropFirst()))) }
}
