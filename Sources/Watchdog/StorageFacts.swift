internal import ServiceKit

/// What the heartbeats say of the way of a tick to the disk: the connector's journal, the recorder, its disk.
struct StorageFacts {
    private(set) var diskFailing = false
    /// What the recorder was given has been waiting for its disk for longer than a sound one takes.
    private(set) var diskIsSlow = false
    /// Why ticks wait to become durable, where it is not the disk; empty: nothing is known.
    private(set) var waitCause = ""
    /// What is wrong with the storage itself; each is red.
    private(set) var faults: [String] = []

    /// A call to the disk that lasts longer fails.
    private static let diskCallLimitNanos: Int64 = 2_000_000_000
    /// What waits longer in front of the disk waits for the disk.
    private static let diskLagLimitMillis: Int64 = 1_000

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
        if disk.hasPrefix("starting") {
            waitCause = "the recorder reads its files first"
        } else if recorder?.fact("CATCHING_UP", nowNanos: now) == "1" {
            waitCause = "the recorder fetches from the journal" + (journalFails ? ", which is \(journal)" : "")
        }
    }
}
