internal import ServiceKit

/// Every command, in the order of the help.
enum Commands {
    static let all: [Command] = [
        upCommand, statusCommand, tailCommand, lookupCommand, lsCommand, catCommand, exportCommand, verifyCommand,
        auditCommand, sealCommand, repairCommand, gapsCommand, explainCommand, configCommand,
        .notBuilt("doctor", "Looks for what is wrong with the installation."),
        .notBuilt("selftest", "Runs the whole system against the simulator for a moment."),
        .notBuilt("alert", usage: "test", "Sends a test alert to every configured receiver."),
    ]

    static func find(_ name: String) -> Command? { all.first { $0.name == name } }

    /// What to do about a word that is no command.
    static func suggestion(for word: String) -> String {
        let near = Spelling.nearest(to: word, in: all.map(\.name))
        return near.map { "did you mean '\($0)'?" } ?? "see 'ib-stream --help'"
    }

    static var help: String {
        var text =
            "Usage: ib-stream COMMAND [FLAGS]\n\nRecords Interactive Brokers ticks, and proves it.\n\nCommands:\n"
        let width = all.map(\.name.utf8.count).max() ?? 0
        for command in all {
            let gap = String(repeating: " ", count: width - command.name.utf8.count)
            text += "  \(command.name)\(gap)  \(command.flags.summary)\(command.run == nil ? " (not built yet)" : "")\n"
        }
        return text + """

            Every command takes --config FILE, --root DIR, --help (with examples) and --version.

            Examples:
              ib-stream up --simulate
                  run the whole system against the simulated gateway, with a live status table
              ib-stream status
                  what runs, what is recorded; exit status 0 healthy, 1 degraded, 2 down
              ib-stream cat 711280073.bid_ask --format csv
                  what was recorded of one stream

            """
    }
}
