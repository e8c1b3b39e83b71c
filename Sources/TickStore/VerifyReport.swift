public import JSON
public import Ticks

/// Keys of one stream, both ends included.
public struct KeyRange: Sendable, Equatable, CustomStringConvertible {
    public var stream: StreamID
    public var first: TickKey
    public var last: TickKey

    public init(stream: StreamID, first: TickKey, last: TickKey) {
        (self.stream, self.first, self.last) = (stream, first, last)
    }

    init(stream: StreamID, _ keys: ClosedRange<TickKey>) {
        (self.stream, first, last) = (stream, keys.lowerBound, keys.upperBound)
    }

    public var description: String { "\(stream) \(TickKey.rangeText(first, last))" }
}

/// What `Verify` found.
public struct VerifyReport: Sendable {
    /// What one stream has.
    public struct Stream: Sendable, Equatable {
        /// Ticks: records that are neither `more` nor `marker`.
        public var ticks: UInt64 = 0
        public var records: UInt64 = 0
        public var markers: UInt64 = 0
        public var lostRanges: UInt64 = 0
        public var missingRanges: UInt64 = 0
        /// Records that an earlier part has already.
        public var repeated: UInt64 = 0
        public var firstKey: TickKey = .zero
        public var lastKey: TickKey = .zero
        public var firstRecvNanos: Int64 = 0
        public var lastRecvNanos: Int64 = 0
        /// Set when the oldest segment does not begin with the first key of an epoch: older hours were removed.
        public var beginsAt: TickKey?

        /// Counts what a sealed file has by its footer.
        mutating func add(_ footer: SegmentFooter, first: TickKey) {
            if records == 0 {
                firstKey = first
                firstRecvNanos = footer.firstRecvNanos
            }
            records += footer.records
            ticks += footer.ticks
            markers += footer.markerCount
            lostRanges += UInt64(footer.markers.entries.count { $0.marker.marker?.event == .lost })
            lastKey = footer.lastKey
            lastRecvNanos = footer.lastRecvNanos
        }
    }

    /// A part of the log that was still growing, and how far it was durable.
    public struct LogEnd: Sendable, Equatable {
        public var path: String
        public var offset: UInt64
    }

    /// At most this many ranges and problems are kept one by one; the streams' counts go on.
    public static let maxListed = 10_000

    public var files = 0
    /// Those of them that were taken by their footers, as they are of another time than what was asked for.
    public var footersOnly = 0
    public var bytes: UInt64 = 0
    public var streams: [StreamID: Stream] = [:]
    /// Keys that the recorder wrote down as lost: no fault of the files.
    public var lost: [KeyRange] = []
    /// Those of them that `repair` wrote down because a file was damaged.
    public var lostToDamage: [KeyRange] = []
    public var moreLostToDamage: UInt64 = 0
    /// Keys that are neither a record nor lost. A fault.
    public var missing: [KeyRange] = []
    /// Bytes that can't be read. Torn tails are none.
    public var findings: [LogFinding] = []
    /// Everything else that is not as it must be, in words.
    public var problems: [String] = []
    /// Problems beyond `maxListed`.
    public var moreProblems: UInt64 = 0

    /// True for a recording from before there was a list of sealed files: nothing tells whether all of them are there.
    public var hasNoList = false
    /// Where the log ended; on a live system it goes on behind that. Nil for files and directories.
    public var logEnd: LogEnd?

    public init() {}

    /// True when every checksum, count and key is right. Lost ranges do not count against it.
    public var isSound: Bool {
        findings.isEmpty && problems.isEmpty && moreProblems == 0
            && streams.values.allSatisfy { $0.missingRanges == 0 }
    }

    /// True when nothing was found wrong because there was no record to look at.
    public var isEmpty: Bool { isSound && records == 0 }

    public var ticks: UInt64 { streams.values.reduce(0) { $0 + $1.ticks } }
    public var records: UInt64 { streams.values.reduce(0) { $0 + $1.records } }

    /// The report as one JSON object. Keys are integers.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("sound", isSound)
            writer.field("files", files)
            writer.field("bytes", bytes)
            writer.field("records", records)
            writer.field("ticks", ticks)
            if let logEnd {
                writer.field("log_end") { writer in
                    writer.object { writer in
                        writer.field("path", logEnd.path)
                        writer.field("offset", logEnd.offset)
                    }
                }
            }
            writer.field("streams") { writer in
                writer.object { writer in
                    for (id, stream) in streams.sorted(by: { $0.key < $1.key }) {
                        writer.field(id.description) { VerifyReport.write(stream, to: &$0) }
                    }
                }
            }
            writer.field("lost") { VerifyReport.write(lost, to: &$0) }
            writer.field("missing") { VerifyReport.write(missing, to: &$0) }
            writer.field("findings") { writer in
                writer.array { writer in
                    for finding in findings {
                        writer.object { writer in
                            writer.field("path", finding.path)
                            writer.field("meaning", finding.meaning.rawValue)
                            writer.field("from", finding.range.lowerBound)
                            writer.field("to", finding.range.upperBound)
                        }
                    }
                }
            }
            writer.field("problems") { writer in
                writer.array { writer in for problem in problems { writer.value(problem) } }
            }
            writer.field("more_problems", moreProblems)
            if hasNoList { writer.field("no_list", true) }
        }
    }

    private static func write(_ stream: Stream, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("ticks", stream.ticks)
            writer.field("records", stream.records)
            writer.field("markers", stream.markers)
            writer.field("lost_ranges", stream.lostRanges)
            writer.field("missing_ranges", stream.missingRanges)
            writer.field("repeated", stream.repeated)
            writer.field("first", stream.firstKey.rawValue)
            if let begins = stream.beginsAt { writer.field("begins_at", begins.rawValue) }
            writer.field("last", stream.lastKey.rawValue)
            writer.field("first_ts_recv", Timestamp.text(stream.firstRecvNanos))
            writer.field("last_ts_recv", Timestamp.text(stream.lastRecvNanos))
        }
    }

    private static func write(_ ranges: [KeyRange], to writer: inout JSONWriter) {
        writer.array { writer in
            for range in ranges {
                writer.object { writer in
                    writer.field("stream", range.stream.description)
                    writer.field("first", range.first.rawValue)
                    writer.field("last", range.last.rawValue)
                }
            }
        }
    }
}
