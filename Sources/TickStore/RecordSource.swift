internal import Glibc
internal import Ticks

/// Walks a recording: the sealed segments of each stream in the order of hours, then the parts of the log, while the
/// recorder may be writing, rolling, sealing and removing.
///
/// The list of the log is always made before the list of segments: a part that is not in it any more stands in segments
/// that the second list shows. Whenever a part of the list has vanished, both lists are made anew. So nothing is passed
/// over; what has been given already is passed over by the caller, who keeps each stream's last key.
struct RecordSource: ~Copyable {
    enum Step {
        /// A part of the log begins; its table, nil when its first block is damaged.
        case part(path: String, KeyTable?)
        /// A segment begins; its footer, nil where that is damaged. `hasRecords`: its records come; else the footer has
        /// to do. `isAgain`: it may have been given before, in part.
        case segment(path: String, StreamID, SegmentFooter?, hasRecords: Bool, isAgain: Bool)
        /// Segments of the stream were taken by retention while it was read: what comes next of it may begin anywhere.
        case removed(StreamID)
        /// Records in the order of commit, valid until the next step: of one stream in a segment, of many in the log.
        case records(UnsafeBufferPointer<Tick>)
        case end
    }

    /// What to read.
    struct Options {
        /// Nil: all. Only segments are left out by it; blocks of the log are given as they are.
        var streams: Set<StreamID>?
        /// Segments and blocks that have no record of this time are left out.
        var window = TimeWindow()
        /// Read each segment from its first byte to its last and check every checksum; of those
        /// outside of the window the footers only.
        var verifies = false
        /// Give the footers of sound segments but not their records, unless a part of these was given before.
        var footersOnly = false
    }

    private let ticksDirectory: String?
    private let options: Options
    private let workspace = SegmentWorkspace()
    private let log: Box<LogSource>?
    /// The segment being read, in one way or the other.
    private var reader: Box<SegmentReader>?
    private var scan: Box<SegmentScan>?
    /// Segments to come, the next one last.
    private var paths: [(path: String, name: SegmentName?)] = []
    /// The segment that was opened last.
    private var opened: (path: String, stream: StreamID)?
    /// How often the lists were made.
    private(set) var lists = 0
    /// Segments of earlier hours can't have changed since the last list: nothing is sealed
    /// as an hour before the newest one that is.
    private var fromHour = Int64.min
    /// Bytes that can't be read, in segments.
    private var segmentFindings: [LogFinding] = []
    private var segmentBytes: UInt64 = 0
    private let bytesAtStart: UInt64

    /// A recording's state directory: `ticks` and `log` beneath.
    init(stateDirectory: String, _ options: Options = Options()) {
        self.options = options
        ticksDirectory = stateDirectory + "/ticks"
        log = Box(LogSource(directory: stateDirectory + "/log"))
        bytesAtStart = 0
    }

    /// The parts of a log in one directory.
    init(logDirectory: String, _ options: Options = Options()) {
        self.options = options
        ticksDirectory = nil
        log = Box(LogSource(directory: logDirectory))
        bytesAtStart = 0
    }

    /// These segments, in this order.
    init(segments: [(path: String, name: SegmentName?)], _ options: Options = Options()) {
        self.options = options
        ticksDirectory = nil
        log = nil
        paths = segments.reversed()
        bytesAtStart = RecordSource.bytes(of: segments.map { $0.path })
    }

    /// One file: a segment, a part of the log or a segment of the journal.
    init(file: String, _ options: Options = Options()) throws(StoreError) {
        self.options = options
        ticksDirectory = nil
        let isSegment = try RecordSource.isSegment(file)
        log = isSegment ? nil : Box(LogSource(file: file))
        paths = isSegment ? [(file, nil)] : []
        bytesAtStart = isSegment ? RecordSource.bytes(of: [file]) : 0
    }

    /// Damaged bytes that were passed over so far.
    var findings: [LogFinding] { segmentFindings + (log?.value.findings ?? []) }
    /// True where a log is read without the segments that its parts become.
    var hasLogAlone: Bool { ticksDirectory == nil && log != nil }
    /// Bytes of files read or passed over so far.
    var bytesRead: UInt64 { segmentBytes + (log?.value.bytesRead ?? 0) }
    /// Where the log ended for a reader of a recording: the newest part, up to what was durable then.
    var logEnd: (path: String, offset: UInt64)? { log?.value.end }

    /// Bytes that there are to read, as far as known now.
    func bytesTotal() throws(StoreError) -> UInt64 {
        var total = bytesAtStart + (try log?.value.bytesTotal() ?? 0)
        if let ticksDirectory {
            let names = try SegmentName.list(ticksDirectory: ticksDirectory, streams: options.streams)
            total += RecordSource.bytes(of: names.map { $0.path(in: ticksDirectory) })
        }
        return total
    }

    /// The next step.
    ///
    /// - Parameter last: the last key given of each stream: segments that have nothing above are left out.
    mutating func next(after last: [StreamID: TickKey]) throws(StoreError) -> Step {
        while true {
            if let records = try nextInSegment() { return .records(records) }
            if let path = paths.popLast() {
                if let step = try begin(path.path, path.name, last) { return step }
                continue
            }
            guard let log else { return .end }
            switch try log.value.next() {
            case .part(let path, let table): return .part(path: path, table)
            case .records(let ticks): return .records(ticks)
            case .end: return .end
            case .list: try list()
            }
        }
    }

    /// Makes both lists, the log's first.
    private mutating func list() throws(StoreError) {
        lists += 1
        try log?.value.list()
        guard let ticksDirectory else { return }
        let names = try SegmentName.list(ticksDirectory: ticksDirectory, streams: options.streams, fromHour: fromHour)
        paths = names.reversed().map { ($0.path(in: ticksDirectory), $0) }
        fromHour = names.map(\.hour).max() ?? fromHour
    }

    // MARK: - Segments

    private mutating func begin(
        _ path: String, _ name: SegmentName?, _ last: [StreamID: TickKey]
    ) throws(StoreError) -> Step? {
        let isAgain = lists > 1
        do throws(StoreError) {
            if options.verifies {
                let scan = try SegmentScan(path, workspace: workspace, hashes: true)
                opened = (path, scan.stream)
                if let footer = scan.storedFooter, isOutside(footer, last) {
                    segmentBytes += scan.byteCount
                    return .segment(path: path, scan.stream, footer, hasRecords: false, isAgain: isAgain)
                }
                let step = Step.segment(
                    path: path, scan.stream, scan.storedFooter, hasRecords: true, isAgain: isAgain)
                self.scan = Box(scan)
                return step
            }
            var reader = try SegmentReader(path, workspace: workspace)
            opened = (path, reader.stream)
            let footer = reader.footer
            guard options.streams?.contains(reader.stream) ?? true,
                options.window.mayHold(footer) || options.footersOnly,
                footer.lastKey > last[reader.stream] ?? .zero
            else {
                segmentBytes += reader.byteCount
                return nil
            }
            let stream = reader.stream
            if let key = last[stream] { reader.seek(key: key.next) }
            reader.select(options.window)
            if options.footersOnly, footer.firstKey > last[stream] ?? .zero {
                segmentBytes += reader.byteCount
                return .segment(path: path, stream, footer, hasRecords: false, isAgain: isAgain)
            }
            self.reader = Box(reader)
            return .segment(path: path, stream, footer, hasRecords: true, isAgain: isAgain)
        } catch {
            switch error {
            case .system(_, _, ENOENT) where name != nil:
                // Retention took it, the oldest go first; or it has another hour now, and the next list shows it.
                fromHour = .min
                return isRetention(before: name) ? name.map { .removed($0.stream) } : nil
            case .notASegment, .damagedSegment:
                // One file that was named is refused; among others it is a finding.
                if options.verifies, name == nil, ticksDirectory == nil, bytesAtStart > 0, paths.isEmpty { throw error }
                let scan = try SegmentScan(path, workspace: workspace, hashes: false)
                opened = (path, scan.stream)
                let step = Step.segment(
                    path: path, scan.stream, scan.storedFooter, hasRecords: true, isAgain: isAgain)
                self.scan = Box(scan)
                return step
            default: throw error
            }
        }
    }

    /// True when what was read of a stream before one of its segments could not be opened is gone as well.
    private func isRetention(before name: SegmentName?) -> Bool {
        guard let opened, opened.stream == name?.stream else { return false }
        return access(opened.path, F_OK) != 0 && errno == ENOENT
    }

    /// True when no record of the segment is of the window, and none was given before.
    private func isOutside(_ footer: SegmentFooter, _ last: [StreamID: TickKey]) -> Bool {
        !options.window.isEverything && !options.window.mayHold(footer) && footer.records > 0
            && footer.firstKey > last[footer.stream] ?? .zero
    }

    private mutating func nextInSegment() throws(StoreError) -> UnsafeBufferPointer<Tick>? {
        if let reader {
            while true {
                do throws(StoreError) {
                    if let records = try reader.value.next() { return records }
                    segmentBytes += reader.value.byteCount
                    self.reader = nil
                    return nil
                } catch {
                    guard case .damagedSegment(let path, _) = error else { throw error }
                    segmentFindings.append(
                        LogFinding(meaning: .corruption, path: path, range: reader.value.lastRange))
                }
            }
        }
        guard let scan else { return nil }
        if let records = try scan.value.next() { return records }
        segmentFindings += scan.value.findings
        segmentBytes += scan.value.byteCount
        self.scan = nil
        return nil
    }

    private static func isSegment(_ path: String) throws(StoreError) -> Bool {
        if path.hasSuffix(SegmentName.suffix) { return true }
        var bytes = [UInt8](repeating: 0, count: 4)
        guard try File(path, O_RDONLY).read(into: &bytes, at: 0) else { return false }
        return bytes.withUnsafeBytes { $0.number(0, UInt32.self) } == SegmentHeader.magic
    }

    /// What the files have together; one that is gone has nothing.
    private static func bytes(of paths: [String]) -> UInt64 {
        paths.reduce(0) { total, path in
            var status = stat()
            return stat(path, &status) == 0 ? total + UInt64(max(0, status.st_size)) : total
        }
    }
}
