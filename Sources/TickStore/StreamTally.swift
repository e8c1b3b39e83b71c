internal import Ticks

/// What the log and an earlier sealing have of one stream in one hour.
struct StreamTally {
    let stream: StreamID
    /// The file that an earlier sealing of the hour left.
    var existing: SegmentName?
    var existingRecords: UInt64 = 0
    var existingLast = TickKey.zero
    var existingBytes: UInt64 = 0
    /// The stream's last key in front of the file's first one.
    var previousKey = TickKey.zero
    /// Records of the log, each key once.
    private(set) var inLog: UInt64 = 0
    /// Those of them that the existing file does not have.
    private(set) var fresh: UInt64 = 0
    private var keys = RisingKeys()

    init(_ stream: StreamID) { self.stream = stream }

    /// The last key of the log's records.
    var last: TickKey { keys.last }
    /// What the file of this hour has to hold.
    var sealedRecords: UInt64 { existingRecords &+ fresh }

    mutating func count(_ run: UnsafeBufferPointer<Tick>) throws(SealError) {
        var (all, new) = (UInt64(0), UInt64(0))
        let bound = existingLast
        try keys.take(run) { rising throws(SealError) in
            all += UInt64(rising.count)
            if rising[0].key > bound {
                new += UInt64(rising.count)
            } else {
                for tick in rising where tick.key > bound { new += 1 }
            }
        }
        inLog += all
        fresh += new
    }
}
