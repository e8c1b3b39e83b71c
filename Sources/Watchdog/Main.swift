internal import Glibc
internal import ServiceKit

@main enum Main {
    static func main() {
        exit(Service.run(watchdogService, arguments: Array(CommandLine.arguments.dropFirst()), start: startWatchdog))
    }
}

let watchdogService = ServiceDescription(
    name: "ib-watchdog", summary: "Watches over connector and recorder.", lifelineGraceSeconds: 0,
    examples: [("ib-watchdog --config /etc/ib-stream/ib-stream.yaml", "watch over the services of that file")])

func startWatchdog(_ context: ServiceContext) throws {
    try context.supervise("judge") { task in
        while !task.stop.wait(millis: 500) { task.progress.advance() }
    }
}
