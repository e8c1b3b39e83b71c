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
    /// 2105 and no 2106 or 2107 since: history is not to be had.
    var isHistoryDown = false
    /// By `repeat`: the second that every answer has.
    var repeatedSecond: UInt32?
    /// Largest piece of one write; 0 = no limit.
    var pieceBytes = 0

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
