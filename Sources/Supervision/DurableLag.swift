internal import Ticks

/// How long the oldest record of a stream that was published and is not durable has been waiting. Pure.
///
/// The connector's watermarks come each second and carry a key alone. One that is heard at a time says that all up to
/// its key had been published by then: every key above the durable one and up to it has waited at least since. Only the
/// durable key takes marks away; that it moves does not make those that are left any younger.
struct DurableLag: Sendable {
    enum Wait: Sendable, Equatable {
        /// All that is known to be published is durable.
        case none
        /// The oldest has been waiting for about so long: a watermark speaks of a second, half of which is added.
        case about(nanos: Int64)
        /// It was waiting already when the first watermark was heard, at least so long ago.
        case atLeast(nanos: Int64)
    }

    /// Everything up to `key` had been published at `nanos`.
    private struct Mark {
        let key: TickKey
        let nanos: Int64
    }

    /// Marks kept; a watermark a second makes a minute of them.
    static let capacity = 64
    /// The newest of them are never thinned out.
    static let exact = 16
    /// What half a second between two watermarks is counted for, at most.
    private static let halfIntervalNanos: Int64 = 500_000_000

    /// Keys rise, times do not fall; all above the durable key.
    private var marks: [Mark] = []
    private var heardNanos: Int64?
    /// Nobody knows since when what is not durable up to here has been waiting: the first watermark said it.
    private var firstSight: TickKey?

    /// A watermark was heard.
    mutating func publish(_ key: TickKey, durable: TickKey, nowNanos: Int64) {
        let since = heardNanos
        heardNanos = nowNanos
        guard key.seq > 0 else { return }
        if since == nil { firstSight = key }
        guard key > durable, key > marks.last?.key ?? .zero else { return }
        if marks.count == Self.capacity { thinOut() }
        let sinceLast = since.map { nowNanos - $0 } ?? 0
        marks.append(Mark(key: key, nanos: nowNanos - min(Self.halfIntervalNanos, sinceLast / 2)))
    }

    /// Everything up to `key` is durable.
    mutating func settle(_ key: TickKey) { marks.removeAll { $0.key <= key } }

    /// What was durable up to `key` is not any more; nobody knows since when.
    mutating func unsettle(upTo key: TickKey, nowNanos: Int64) {
        marks.insert(Mark(key: key, nanos: nowNanos), at: 0)
        firstSight = max(firstSight ?? .zero, key)
        if marks.count > Self.capacity { thinOut() }
    }

    func wait(nowNanos: Int64) -> Wait {
        guard let oldest = marks.first else { return .none }
        let nanos = max(0, nowNanos - oldest.nanos)
        if let firstSight, oldest.key <= firstSight { return .atLeast(nanos: nanos) }
        return .about(nanos: nanos)
    }

    /// Takes out the mark whose loss blurs the others least: its keys count from the next one's time on. The oldest
    /// stays exact, and so do the newest, which matter once the recorder has caught up.
    private mutating func thinOut() {
        let middle = 1..<(marks.count - Self.exact)
        let least = middle.min { span(around: $0) < span(around: $1) }
        if let least { marks.remove(at: least) }
    }

    private func span(around index: Int) -> Int64 { marks[index + 1].nanos - marks[index - 1].nanos }
}
