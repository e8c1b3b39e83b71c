internal import Glibc
@testable internal import TickStore
internal import Ticks

extension Target {
    /// Files: log parts, journal segments, durable slots, sealed segments. In this build all CRC-32C are the same
    /// number (`clx_crc32c`), or hardly an input would get past the checksums.
    static let store = [
        Target(name: "log", seeds: logSeeds, run: readLog),
        Target(name: "slots", seeds: slotSeeds, run: readSlots),
        Target(name: "segment", seeds: segmentSeeds, run: readSegment),
        Target(name: "markers", seeds: markerSeeds, run: readMarkers),
    ]

    private static let stream = StreamID(conId: 7, kind: .bidAsk)
    private static let startNanos: Int64 = 1_755_010_800_000_000_000

    /// Records of every sort in one stream.
    private static func records(_ count: UInt32, epoch: UInt32 = 9) -> [Tick] {
        var random = SplitMix64(seed: 851)
        return (1...count).map { seq in
            let key = TickKey(epoch: epoch, seq: seq)
            let received = startNanos + Int64(seq) * 1_000_003
            switch seq % 16 {
            case 3: return Tick(marker: .gapOpened, of: stream, key: key, tsRecvNanos: received, text: "disconnect")
            case 5:
                return Tick(
                    marker: .gapClosed, of: stream, key: key, tsRecvNanos: received,
                    ref: TickKey(epoch: epoch, seq: seq - 2))
            case 9:
                let more = MoreBody(streamKind: .bidAsk, field: .bidPrice, text: Array("1.00000000001".utf8))
                return Tick(key: key, tsRecvNanos: received, conId: 7, kind: .more, body: more.body)
            default:
                let price = 100_000_000_000 + Int64(random.next() % 64) * 250_000_000
                return Tick(
                    key: key, tsEventNanos: startNanos, tsRecvNanos: received, conId: 7, kind: .bidAsk,
                    flags: seq % 16 == 8 ? [.inexact, .moreFollows] : [],
                    body: QuoteBody(bidPrice: price, askPrice: price + 1, bidSize: 1, askSize: Int64(seq)).body)
            }
        }
    }

    // MARK: - Files in memory

    /// A directory in memory, made once; each input's files are written over the last one's.
    private static let directory: String = {
        var template = Array("/dev/shm/ib-fuzz-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { fatalError("no directory in /dev/shm: errno \(errno)") }
        let path = String(cString: made)
        for name in ["log", "journal"] { mkdir("\(path)/\(name)", 0o700) }
        removedPath.withUTF8Path(path)
        atexit { Target.removedPath.remove() }
        return path
    }()

    /// The directory that goes when the process ends.
    private static let removedPath = RemovedPath()

    private final class RemovedPath: Sendable {
        nonisolated(unsafe) private var path = ""
        func withUTF8Path(_ path: String) { self.path = path }
        func remove() {
            for name in [
                "log/\(Target.partName)", "log/\(Target.partName.dropLast(4)).durable", "journal/1.log", "segment",
            ] {
                unlink("\(path)/\(name)")
            }
            for name in ["/log", "/journal", ""] { rmdir(path + name) }
        }
    }

    fileprivate static let partName = "2025-08-12T15.0001.log"

    private static func put(_ bytes: UnsafeRawBufferPointer, _ path: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        precondition(file >= 0 && Glibc.write(file, bytes.baseAddress, bytes.count) == bytes.count, "\(path): \(errno)")
        close(file)
    }

    private static func contents(_ path: String) -> [UInt8] {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = read(file, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }

    // MARK: - Log

    @Sendable private static func logSeeds() -> [[UInt8]] {
        [1, 40, 300].map { (count: UInt32) in
            let path = "\(directory)/log/\(partName)"
            unlink(path)
            unlink(PartName.durablePath(ofLog: path))
            let done = accepts {
                let old = [stream: StreamPosition(records(1, epoch: 8)[0])]
                var log = try LogWriter(creating: path, positions: old)
                for run in [records(count), records(3, epoch: 10)] {
                    try run.withUnsafeBytes { bytes in
                        try withUnsafePointer(to: bytes) { try log.append(UnsafeBufferPointer(start: $0, count: 1)) }
                    }
                }
                try log.sync()
            }
            precondition(done, "a seed of the log can't be written")
            return bytes(UInt8(count & 0xFF), contents(path))
        }
    }

    /// The same bytes as the open log's only part and as a journal's only segment, through everything that reads these.
    @Sendable private static func readLog(_ all: UnsafeRawBufferPointer) {
        var input = Input(all)
        let key = TickKey(epoch: 9, seq: UInt32(input.byte()))
        let part = "\(directory)/log/\(partName)"
        input.remaining { bytes in
            unlink(PartName.durablePath(ofLog: part))
            put(bytes, part)
            put(bytes, "\(directory)/journal/1.log")
        }
        accepts { _ = try Verify(file: part).run() }
        accepts {
            var reader = try TickReader(file: part)
            var text = TickText(.csv)
            var out = TextBuffer()
            while let run = try reader.next() {
                text.append(run.ticks, of: run.stream, to: &out)
                out.removeAll()
            }
        }
        accepts {
            var journal = JournalReader(directory: "\(directory)/journal")
            var last = key
            let page = try journal.read(stream, from: key, limit: 100) { run in
                precondition(run[0].key >= last && run.count <= StreamPage.batchRecords, "a page out of order")
                last = run[run.count - 1].key
            }
            precondition(page.next >= key, "a page goes back")
            _ = try journal.firstKey(of: stream, receivedFromNanos: startNanos)
        }
        // Recovery writes down what is durable, from where history reads.
        accepts { _ = try LogRecovery(directory: "\(directory)/log") }
        accepts {
            var history = LogHistory(directory: "\(directory)/log")
            _ = try history.read(stream, from: .zero, limit: 100) { _ in }
            _ = try history.firstKey(of: stream, receivedFromNanos: startNanos)
        }
    }

    @Sendable private static func slotSeeds() -> [[UInt8]] {
        _ = logSeeds()
        return [contents(PartName.durablePath(ofLog: "\(directory)/log/\(partName)"))]
    }

    @Sendable private static func readSlots(_ all: UnsafeRawBufferPointer) {
        let path = "\(directory)/segment"
        put(all, path)
        accepts { _ = try DurableSlots.read(path, partID: nil) }
        accepts { _ = try DurableSlots.read(path, partID: 7) }
    }

    // MARK: - Segments

    @Sendable private static func segmentSeeds() -> [[UInt8]] {
        [1, 50, 400].map { (count: UInt32) in
            let path = "\(directory)/segment"
            let done = accepts {
                var writer = try SegmentWriter(
                    temporary: path, stream: stream, definition: Array(#"{"con_id":7}"#.utf8))
                try records(count).withUnsafeBufferPointer { try writer.append($0) }
                _ = try writer.finish()
            }
            precondition(done, "a seed of the segments can't be written")
            return bytes(UInt8(count & 0xFF), contents(path))
        }
    }

    @Sendable private static func readSegment(_ all: UnsafeRawBufferPointer) {
        var input = Input(all)
        let seq = UInt32(input.byte())
        let path = "\(directory)/segment"
        input.remaining { put($0, path) }
        accepts { _ = try SegmentFooter(of: path) }
        accepts {
            var reader = try SegmentReader(path)
            var last = TickKey.zero
            while let run = try reader.next() {
                precondition(run.first.map { $0.key > last } ?? false, "a segment's keys do not rise")
                last = run[run.count - 1].key
            }
        }
        accepts {
            var reader = try SegmentReader(path)
            reader.seek(key: TickKey(epoch: 9, seq: seq))
            _ = try reader.next()
            reader.seek(receivedFromNanos: startNanos + Int64(seq) * 1_000_003)
            _ = try reader.next()
        }
    }

    @Sendable private static func markerSeeds() -> [[UInt8]] {
        var collector = MarkerCollector()
        records(40).withUnsafeBufferPointer { collector.take($0) }
        var out: [UInt8] = []
        collector.encode(to: &out)
        return [out]
    }

    /// What could be read is written as the same bytes.
    @Sendable private static func readMarkers(_ all: UnsafeRawBufferPointer) {
        Input(all).remaining { bytes in
            guard let collector = MarkerCollector(decoding: bytes) else { return }
            var out: [UInt8] = []
            collector.encode(to: &out)
            precondition(MarkerCollector(decoding: out) != nil, "what was read can't be read again")
        }
    }
}

extension MarkerCollector {
    fileprivate init?(decoding bytes: [UInt8]) {
        guard let made = bytes.withUnsafeBytes({ MarkerCollector(decoding: $0) }) else { return nil }
        self = made
    }
}
