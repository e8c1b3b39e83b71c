public import Ticks

/// Writes records as text, one line each, `more` records joined to their tick. Keeps nothing but a cache: one value per
/// output.
public struct TickText {
    /// How records are written.
    public enum Format: String, Sendable, CaseIterable {
        case text
        case csv
        case json
        /// The 64-byte records themselves, `more` records included.
        case raw
    }

    /// The columns of CSV, in this order for every kind; only ever appended to.
    public static let csvHeader =
        "stream,epoch,seq,ts_event,ts_recv,kind,flags,price,size,exchange,conditions,bid_price,ask_price,bid_size,"
        + "ask_size,field,value,code,text,position,operation,side\n"

    public let format: Format
    /// False leaves out markers.
    public let withMarkers: Bool

    private var times = TimeText()
    private var events = TimeText()
    /// The text of the stream that was written last.
    private var streamName: [UInt8] = []
    private var stream: StreamID?

    /// Room that is made for a line before the texts of `more` records: all columns at their longest are below.
    private static let lineBytes = 768

    public init(_ format: Format, withMarkers: Bool = true) {
        self.format = format
        self.withMarkers = withMarkers
    }

    /// What stands in front of all lines: the CSV header, else nothing.
    public var header: String { format == .csv ? TickText.csvHeader : "" }

    /// Appends the lines of a run of one stream. Returns how many lines (for `raw`: records) these are.
    ///
    /// A `more` record is joined to the tick in front of it; one that has none there (which the writers never do) has a
    /// line of its own.
    @discardableResult public mutating func append(
        _ run: UnsafeBufferPointer<Tick>, of stream: StreamID, to out: inout TextBuffer
    ) -> Int {
        if stream != self.stream {
            self.stream = stream
            streamName = Array(stream.description.utf8)
        }
        if format == .raw, withMarkers {
            out.append(UnsafeRawBufferPointer(run))
            return run.count
        }
        var lines = 0
        var at = 0
        while at < run.count {
            var end = at + 1
            while end < run.count, run[end].kindByte == TickKind.more.rawValue { end += 1 }
            let fields = TickFields(tick: run[at], more: UnsafeBufferPointer(rebasing: run[(at + 1)..<end]))
            let lineStart = at
            at = end
            if !withMarkers, fields.tick.kindByte == TickKind.marker.rawValue { continue }
            out.reserve(TickText.lineBytes + 2 * fields.moreBytes)
            lines += 1
            switch format {
            case .csv: putCSV(fields, to: &out)
            case .json: putJSON(fields, to: &out)
            case .text: putText(fields, to: &out)
            case .raw:
                out.append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: run[lineStart..<end])))
                lines += fields.more.count
            }
        }
        return lines
    }

    /// The stream's name.
    mutating func putStream(to out: inout TextBuffer) {
        streamName.withUnsafeBytes { out.put($0) }
    }

    mutating func putReceived(_ tick: Tick, to out: inout TextBuffer) { times.put(tick.tsRecvNanos, to: &out) }

    /// TWS time, nothing where there is none.
    mutating func putEvent(_ tick: Tick, to out: inout TextBuffer) {
        if tick.tsEventNanos != Tick.noEventTime { events.put(tick.tsEventNanos, to: &out) }
    }
}
