internal import ServiceKit
internal import TWS

/// What the command line asks for.
struct Options: Sendable, Equatable {
    /// 0 = picked by the system.
    var port: UInt16 = 4_002
    var seed: UInt64 = 1
    /// Ticks a second over all subscribed streams; nil = the market's natural pace.
    var rate: Int?
    var maxVersion = ServerVersion.supported.upperBound
    var enforce = false
    var historyPer10Minutes = 60
    var realHours = false
    var lastHasAll = false
    var replayPath: String?
    var replayConId: Int32 = 620_731_015
    var replaySpeed = 1.0
    var truthPath: String?
    var historyPath: String?
    var controlPath: String?
    var warmUpSeconds = 300
    var keepTicks = 4_000_000
    var clientBufferBytes = 64 << 20

    static let maxRate = 5_000_000

    init() {}

    /// Throws 64 with one line for a value that makes no sense.
    init(_ flags: ParsedFlags) throws(ProgramError) {
        if let value = flags.value("port") { port = UInt16(try Options.number("port", value, 0...65_535)) }
        if let value = flags.value("seed") {
            guard let number = UInt64(value) else {
                throw Options.usage("--seed \(value): not a number from 0 to 2^64-1")
            }
            seed = number
        }
        if let value = flags.value("rate") { rate = try Options.number("rate", value, 1...Options.maxRate) }
        if let value = flags.value("max-version") {
            let spoken = ServerVersion.supported
            maxVersion = try Options.number("max-version", value, spoken.lowerBound...spoken.upperBound)
        }
        enforce = flags.has("enforce")
        if let value = flags.value("history-pace") {
            historyPer10Minutes = try Options.number("history-pace", value, 1...1_000_000)
        }
        realHours = flags.has("real-hours")
        lastHasAll = flags.has("last-unreported")
        replayPath = flags.value("replay")
        if let value = flags.value("con-id") {
            replayConId = Int32(try Options.number("con-id", value, 1...Int(Int32.max)))
        }
        if let value = flags.value("speed") {
            guard let number = Double(value), number.isFinite, (0...1_000_000).contains(number) else {
                throw Options.usage("--speed \(value): not a number from 0 to 1000000")
            }
            replaySpeed = number
        }
        for flag in ["con-id", "speed"] where flags.value(flag) != nil && replayPath == nil {
            throw Options.usage("--\(flag): goes with --replay")
        }
        truthPath = flags.value("truth")
        historyPath = flags.value("history")
        controlPath = flags.value("control")
        if let value = flags.value("warm-up") { warmUpSeconds = try Options.number("warm-up", value, 0...86_400) }
        if let value = flags.value("keep") { keepTicks = try Options.number("keep", value, 10_000...100_000_000) }
        if let value = flags.value("client-buffer") {
            clientBufferBytes = try Options.number("client-buffer", value, 1...4_096) << 20
        }
    }

    private static func number(_ flag: String, _ value: String, _ range: ClosedRange<Int>) throws(ProgramError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw usage("--\(flag) \(value): not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func usage(_ text: String) -> ProgramError {
        ProgramError(.usage, "\(text): see 'ib-simulator --help'")
    }

    static let flags = FlagSet(
        program: "ib-simulator",
        summary: """
            A simulated IB Gateway on 127.0.0.1: speaks the TWS text protocol (server versions \
            \(ServerVersion.supported.lowerBound) to \(ServerVersion.supported.upperBound)) with a market of its own \
            (MNQ, ES, AAPL, EUR.USD) or with ticks from a file. The first line on standard output is \
            `listening on 127.0.0.1:PORT`.
            """,
        flags: [
            .init("port", value: "N", "listen on port N (default 4002; 0 = picked by the system)"),
            .init("seed", value: "N", "the market's seed (default 1): the same seed makes the same market"),
            .init("rate", value: "N", "hold N ticks a second over all subscribed streams (default: a natural pace)"),
            .init("max-version", value: "N", "highest server version offered (default and most: 200)"),
            .init(
                "enforce",
                "apply IB's limits: 5 tick-by-tick lines and one tick-by-tick request per instrument in 15 s (10190), "
                    + "50 messages a second (100), 100 lines (101), history pacing (162), "
                    + "no trades of currencies (10189)"
            ),
            .init(
                "history-pace", value: "N",
                "with --enforce: requests for history in 10 minutes, BID_ASK counting twice (default 60)"),
            .init("last-unreported", "send unreported trades on Last streams too (default: on AllLast alone)"),
            .init("real-hours", "keep each instrument's weekly trading hours (default: open around the clock)"),
            .init(
                "replay", value: "FILE",
                "play the ticks of a CSV file (\(ReplayFile.header)); begins when each kind in it is subscribed"),
            .init("con-id", value: "N", "the contract that --replay plays (default 620731015, the ES future)"),
            .init("speed", value: "X", "how fast --replay goes (default 1; 0 = as fast as the clients read)"),
            .init(
                "truth", value: "FILE",
                "write every tick that a socket took to FILE (CSV; history answers have flag 64)"),
            .init("history", value: "FILE", "write every tick of the market, sent or not, to FILE (CSV)"),
            .init("control", value: "SOCKET", "take commands on a unix socket: \(ControlCommand.help)"),
            .init("warm-up", value: "SECONDS", "age of the market at the start (default 300)"),
            .init("keep", value: "TICKS", "ticks kept for historical requests (default 4000000)"),
            .init("client-buffer", value: "MIB", "a client that leaves more unread is dropped (default 64)"),
            .init("help", "print this help"), .init("version", "print the version"),
        ],
        examples: [
            ("ib-simulator --port 4002", "a gateway for any client of the API"),
            ("ib-simulator --port 0 --rate 20000 --truth truth.csv", "a load of 20,000 ticks/s and the record of it"),
            ("ib-simulator --replay es.csv --speed 10", "real ticks, ten times as fast as they came"),
            (
                "ib-simulator --control /tmp/gateway.sock & echo 'error 1100' | socat - UNIX:/tmp/gateway.sock",
                "the gateway loses its link to the broker"
            ),
        ])
}
