internal import ServiceKit
internal import Supervision

/// What the heartbeats say of the way of a tick to the disk: the connector's journal, the recorder, its disk.
struct StorageFacts {
    private(set) var diskFailing = false
    /// What the recorder was given has been waiting for its disk for longer than a sound one takes.
    private(set) var diskIsSlow = false
    /// Why ticks wait to become durable, where it is not the disk; empty: nothing is known.
    private(set) var waitCause = ""
    /// What is wrong with the storage itself; each is red.
    private(set) var faults: [String] = []
    /// What costs no tick yet.
    private(set) var warnings: [String] = []
    /// How far back the journal can be replayed at the present rate; nil: not known, or too long to matter.
    private(set) var reachSeconds: Int64?
    /// How long at the present rate until the journal has to overwrite a tick that is not durable.
    private(set) var leftSeconds: Int64?

    /// A call to the disk that lasts longer fails.
    private static let diskCallLimitNanos: Int64 = 2_000_000_000
    /// What waits longer in front of the disk waits for the disk.
    private static let diskLagLimitMillis: Int64 = 1_000

    /// A journal that has less left while ticks wait is red, or degraded.
    private static let leastSeconds: Int64 = 30
    private static let warnSeconds: Int64 = 120

    /// What is wrong with the journal's room. It is only needed while ticks wait longer than usual to become durable.
    ///
    /// - waitNanos: how long the oldest waits; nil: not known, as when the recorder says nothing.
    func need(waitNanos: Int64?) -> (fault: String?, warning: String?) {
        guard let left = leftSeconds, left < Self.warnSeconds else { return (nil, nil) }
        guard waitNanos ?? .max > StreamJudge.lagWarnNanos else { return (nil, nil) }
        let text = "ticks wait to become durable, and the journal overwrites the first of them in \(left) s"
        return left < Self.leastSeconds ? (text, nil) : (nil, text)
    }

    /// A sound system whose connector says so of its journal.
    init(journalLeft: String) { leftSeconds = Int64(journalLeft) }

    init(recorder: ManagedService?, connector: ManagedService?, nowNanos now: Int64) {
        let disk = recorder?.fact("DISK", nowNanos: now) ?? ""
        diskFailing =
            disk.hasPrefix("failing") || (recorder?.diskWaitNanos(nowNanos: now) ?? 0) > Self.diskCallLimitNanos
        let diskLag = recorder?.fact("DISK_LAG_MILLIS", nowNanos: now).flatMap { Int64($0) } ?? 0
        diskIsSlow = diskLag > Self.diskLagLimitMillis
        let journal = connector?.fact("JOURNAL", nowNanos: now) ?? ""
        let journalFails = journal.hasPrefix("failing")
        if journalFails { faults.append("the connector's journal is \(journal)") }
        if diskFailing { faults.append("the recorder's disk is \(disk.hasPrefix("failing") ? disk : "not answering")") }
        reachSeconds = connector?.fact("JOURNAL_REACH_SECONDS", nowNanos: now).flatMap { Int64($0) }
        leftSeconds = connector?.fact("JOURNAL_LEFT_SECONDS", nowNanos: now).flatMap { Int64($0) }
        let damage = recorder?.fact("DAMAGE", nowNanos: now) ?? "none"
        if damage == "unknown" {
            warnings.append("the recorder has not looked yet whether durable data was destroyed")
        } else if damage != "none" {
            faults.append(
                "durable data was destroyed (\(damage)): what could not be had again is a gap: "
                    + "stop the recorder and run 'ib-stream repair', or 'ib-stream repair --acknowledge'")
        }
        if disk.hasPrefix("starting") {
            waitCause = "the recorder reads its files first"
        } else if recorder?.fact("CATCHING_UP", nowNanos: now) == "1" {
            waitCause = "the recorder fetches from the journal" + (journalFails ? ", which is \(journal)" : "")
        }
    }
}
