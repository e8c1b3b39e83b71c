/// Whether messages that can't be decoded are single ones, which cost themselves alone, or a connection that is out of
/// step; and which of them are worth a line in the log. Pure; times are of one monotonic clock.
///
/// A connection is out of step when more than a tenth of one second's messages can't be decoded, and no fewer than
/// `leastToClose`: in a quiet second one of three may be bad.
public struct DecodeFaults: Sendable {
    public static let leastToClose: UInt64 = 10
    static let secondNanos: Int64 = 1_000_000_000
    /// One subject's faults are said at most this often.
    public static let sayingNanos: Int64 = 60_000_000_000
    /// Subjects that are told apart; what comes beyond them shares one line.
    static let subjectLimit = 256

    /// Since the start.
    public private(set) var total: UInt64 = 0
    /// The last one of this connection.
    public private(set) var last: DecodeError?

    private var secondEndsNanos: Int64 = .min
    private var messages: UInt64 = 0
    private var faults: UInt64 = 0
    /// Of the read that is under way.
    private var newFaults: UInt64 = 0
    private var said: [Int64: (atNanos: Int64, unsaid: UInt64)] = [:]

    public init() {}

    public mutating func note(_ error: DecodeError) {
        total &+= 1
        newFaults &+= 1
        last = error
    }

    /// A connection begins: what came on the last one does not count.
    public mutating func beginConnection() {
        secondEndsNanos = .min
        messages = 0
        faults = 0
        newFaults = 0
        last = nil
    }

    /// Call it behind each read, with the number of messages that it brought. True when a second is over in which too
    /// many could not be decoded: the connection must end. The second is judged when it is over, since a burst of bad
    /// messages may stand at the beginning of many good ones.
    @inline(__always) public mutating func endRead(messages count: Int, nowNanos now: Int64) -> Bool {
        var isTooMany = false
        if now >= secondEndsNanos {
            isTooMany = faults >= DecodeFaults.leastToClose && faults &* 10 > messages
            secondEndsNanos = now &+ DecodeFaults.secondNanos
            messages = 0
            faults = 0
        }
        messages &+= UInt64(truncatingIfNeeded: count)
        faults &+= newFaults
        newFaults = 0
        return isTooMany
    }

    /// How many faults of a subject (a stream, a request, a message id: the caller's numbers) a line has to speak of
    /// now, this one included; nil while the last line is less than a minute old.
    public mutating func toSay(of subject: Int64, nowNanos now: Int64) -> UInt64? {
        let subject = said[subject] != nil || said.count < DecodeFaults.subjectLimit ? subject : .min
        guard let entry = said[subject], now - entry.atNanos < DecodeFaults.sayingNanos else {
            let count = (said[subject]?.unsaid ?? 0) + 1
            said[subject] = (now, 0)
            return count
        }
        said[subject] = (entry.atNanos, entry.unsaid + 1)
        return nil
    }
}
