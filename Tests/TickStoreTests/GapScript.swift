import Ticks

@testable import TickStore

/// One stream's records, written down step by step: numbered like the connector's, one second apart.
struct GapScript {
    let stream: StreamID
    private(set) var records: [Tick] = []
    private var epoch: UInt32
    private var seq: UInt32 = 0
    /// Of the next record, ns since the Unix epoch.
    var nowNanos = someNanos

    init(_ stream: StreamID = quotes, epoch: UInt32 = 100) {
        self.stream = stream
        self.epoch = epoch
    }

    /// The newest record's key.
    var key: TickKey { TickKey(epoch: epoch, seq: seq) }

    /// A new connector: numbers begin anew.
    mutating func newEpoch() {
        epoch += 1
        seq = 0
    }

    /// Live ticks, one a second.
    mutating func live(_ count: Int = 1, withoutEventTime: Bool = false) {
        for _ in 0..<count {
            append(
                Tick(
                    tsEventNanos: withoutEventTime
                        ? Tick.noEventTime : nowNanos.floorDivided(by: 1_000_000_000) * 1_000_000_000,
                    tsRecvNanos: nowNanos, conId: stream.conId, kind: stream.kind, source: stream.source))
        }
    }

    /// A marker; returns its key.
    @discardableResult
    mutating func mark(_ event: MarkerEvent, _ text: String = "", code: Int32 = 0, ref: TickKey = .zero) -> TickKey {
        append(Tick(marker: event, of: stream, tsRecvNanos: nowNanos, code: code, ref: ref, text: text))
        return key
    }

    /// What the recorder writes for the next `count` numbers.
    mutating func lost(_ count: UInt32, _ text: String = "journal gone") {
        let first = key.next
        seq += count - 1
        mark(.lost, text, ref: first)
    }

    /// The marker in front of healed ticks.
    mutating func heal(_ gap: TickKey, ticks: Int32, from: Int64, to: Int64, knowsLost: Bool = false) {
        append(
            Tick(
                marker: .heal, of: stream, tsEventNanos: from * 1_000_000_000, tsRecvNanos: nowNanos, code: ticks,
                ref: gap, text: HealRun.text(toSeconds: to, knowsLost: knowsLost)))
    }

    /// Healed ticks, all of one second.
    mutating func healed(_ count: Int, second: Int64) {
        for _ in 0..<count {
            append(
                Tick(
                    tsEventNanos: second * 1_000_000_000, tsRecvNanos: nowNanos, conId: stream.conId,
                    kind: stream.kind, source: stream.source, flags: .healed))
        }
    }

    mutating func healEnd(_ gap: TickKey, ticks: Int32, to: Int64, _ text: String) {
        append(
            Tick(
                marker: .healEnd, of: stream, tsEventNanos: to * 1_000_000_000, tsRecvNanos: nowNanos, code: ticks,
                ref: gap, text: text))
    }

    /// A whole run.
    mutating func run(
        _ gap: TickKey, ticks: Int, from: Int64, to: Int64, _ text: String, knowsLost: Bool = false
    ) {
        heal(gap, ticks: Int32(ticks), from: from, to: to, knowsLost: knowsLost)
        healed(ticks, second: from)
        healEnd(gap, ticks: Int32(ticks), to: to, text)
    }

    private mutating func append(_ tick: Tick) {
        seq += 1
        var tick = tick
        tick.key = key
        records.append(tick)
        nowNanos += 1_000_000_000
    }

    // MARK: -

    /// The ledger of all of it.
    var ledger: GapLedger { GapLedger(stream: stream, [collector(records[...])]) }

    func collector(_ part: ArraySlice<Tick>) -> MarkerCollector {
        var collector = MarkerCollector()
        Array(part).withUnsafeBufferPointer { collector.take($0) }
        return collector
    }
}

extension Tick {
    init(
        tsEventNanos: Int64, tsRecvNanos: Int64, conId: Int32, kind: TickKind, source: UInt8, flags: TickFlags = []
    ) {
        self.init(
            key: .zero, tsEventNanos: tsEventNanos, tsRecvNanos: tsRecvNanos, conId: conId, kind: kind, source: source,
            flags: flags)
    }
}
