/// What is wrong with the gateway on purpose, as the control socket set it. Owner: the event loop.
struct Faults {
    /// 1100 and 2110 stop all data until 1101 or 1102.
    var isFlowStopped = false
    /// Mute in every respect: nothing is read, nothing is sent.
    var isStalled = false
    /// Farms with a 2103 and no 2104 since: their instruments are silent.
    var brokenFarms: Set<String> = []
    /// By stream position.
    var mutedStreams: Set<Int> = []
    /// Instruments whose level 1 is mute.
    var mutedLevel1: Set<Int> = []
    /// Dead until they are subscribed anew, by stream position.
    var silencedStreams: Set<Int> = []
    /// What is added to the prices of streams, by stream position.
    var offsets: [Int: (units: Int64, always: Bool)] = [:]
    /// What is wrong with the answers of history requests.
    var history = ControlCommand.HistoryFault.none
    /// What else its answers are like; these go together with each other.
    private(set) var answers = HistoryManners()
    /// 2105 and no 2106 or 2107 since: history is not to be had.
    var isHistoryDown = false
    /// By `repeat`: the second that every answer has.
    var repeatedSecond: UInt32?
    /// Largest piece of one write; 0 = no limit.
    var pieceBytes = 0

    /// What stays in force besides: `ok` alone ends it all.
    mutating func setHistory(_ fault: ControlCommand.HistoryFault) {
        switch fault {
        case .trades(let trades): answers.trades = trades
        case .pages(let repeated): answers.repeatsPages = repeated
        case .seam(let ticks): answers.seamTicks = ticks
        case .day(let end): answers.dayEnd = end
        case .notice(let code, let text): answers.notice = (code, text ?? Notice.text(ofCode: code))
        case .none, .empty, .repeating, .silent, .delayed, .error:
            history = fault
            repeatedSecond = nil
            if fault == .none { answers = HistoryManners() }
        }
    }

    func stops(instrument: Instrument) -> Bool {
        isFlowStopped || isStalled || (!brokenFarms.isEmpty && brokenFarms.contains(instrument.farm))
    }

    /// Which farm a notice is about: behind the last colon, or behind `demand.` in the "inactive" texts.
    static func farm(ofText text: String) -> String? {
        if let colon = text.lastIndex(of: ":") { return String(text[text.index(after: colon)...]).trimmed }
        guard let range = text.ranges(of: "demand.").last else { return nil }
        return String(text[range.upperBound...]).trimmed
    }
}

/// How a gateway's history differs from that of another one.
struct HistoryManners {
    var trades = ControlCommand.HistoryTrades.reported
    var repeatsPages = false
    /// So many of the last past ticks in front of a subscription are left out.
    var seamTicks = 0
    var notice: (code: Int32, text: String)?
    var dayEnd: UInt32?
}
