internal import Glibc
internal import Ticks

/// The sealed segments of the streams that were asked for lately, by their footers. One thread.
struct SegmentCatalog: ~Copyable {
    private struct Entry {
        let name: SegmentName
        let path: String
        let inode: UInt
        let modifiedNanos: Int64
        /// Nil when the footer is damaged: then the file is read to see what is in it.
        let footer: SegmentFooter?
    }

    /// Lists kept; a stream's list has an entry an hour.
    private static let maxStreams = 16

    private let directory: String
    private let workspace = SegmentWorkspace()
    private var entries: [StreamID: [Entry]] = [:]
    /// Streams in the order of their last use.
    private var used: [StreamID] = []

    init(directory: String) { self.directory = directory }

    /// Looks what there is now. Files that have not changed are not read again.
    mutating func refresh(_ stream: StreamID) throws(StoreError) {
        let known = Dictionary((entries[stream] ?? []).map { ($0.name, $0) }) { first, _ in first }
        var found: [Entry] = []
        for name in try SegmentName.list(ticksDirectory: directory, streams: [stream]) {
            let path = name.path(in: directory)
            var status = stat()
            guard stat(path, &status) == 0 else {
                // Taken by retention since the list was made.
                if errno == ENOENT { continue }
                throw .system(call: "stat", path: path, code: errno)
            }
            let modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
            if let entry = known[name], entry.inode == status.st_ino, entry.modifiedNanos == modified {
                found.append(entry)
            } else if let footer = try SegmentCatalog.footer(path) {
                found.append(
                    Entry(name: name, path: path, inode: status.st_ino, modifiedNanos: modified, footer: footer.value))
            }
        }
        entries[stream] = found
        used.removeAll { $0 == stream }
        used.append(stream)
        if used.count > SegmentCatalog.maxStreams { entries[used.removeFirst()] = nil }
    }

    /// Nil when the file is gone; a nil value when its footer is damaged.
    private static func footer(_ path: String) throws(StoreError) -> (value: SegmentFooter?, Void)? {
        do throws(StoreError) { return (try SegmentFooter(of: path), ()) } catch {
            switch error {
            case .system(_, _, ENOENT): return nil
            case .notASegment: return (nil, ())
            default: throw error
            }
        }
    }

    /// The first key that the stream's segments stand for: of the first record, or of the range that it calls lost.
    func firstCoveredKey(of stream: StreamID) -> TickKey? {
        guard let entry = entries[stream]?.first(where: { $0.footer?.records ?? 1 > 0 }) else { return nil }
        // Nobody knows where a damaged one begins: then nothing is said to have been before it.
        return entry.footer?.firstCoveredKey ?? .zero
    }

    /// Visits the stream's records from about `key` on, until the visitor
    /// returns false. Damaged blocks are passed over.
    mutating func read(
        _ stream: StreamID, from key: TickKey, visit: (UnsafeBufferPointer<Tick>) -> Bool
    ) throws(StoreError) {
        for entry in entries[stream] ?? [] {
            if let footer = entry.footer, footer.lastKey < key { continue }
            guard try read(entry, { $0.seek(key: key) }, visit) else { return }
        }
    }

    /// The key of the first record that was received at a time or later, healed ticks aside.
    mutating func firstKey(of stream: StreamID, receivedFromNanos nanos: Int64) throws(StoreError) -> TickKey? {
        var found: TickKey?
        for entry in entries[stream] ?? [] {
            if let footer = entry.footer, footer.maxRecvNanos < nanos { continue }
            let goOn = try read(entry, { $0.seek(receivedFromNanos: nanos) }) { run in
                found = run.first { !$0.isPlacedByEvent && $0.tsRecvNanos >= nanos }?.key
                return found == nil
            }
            if !goOn { break }
        }
        return found
    }

    /// False when the visitor wants no more.
    private func read(
        _ entry: Entry, _ seek: (inout SegmentReader) -> Void, _ visit: (UnsafeBufferPointer<Tick>) -> Bool
    ) throws(StoreError) -> Bool {
        var reader: SegmentReader
        do throws(StoreError) { reader = try SegmentReader(entry.path, workspace: workspace) } catch {
            switch error {
            case .system(_, _, ENOENT): return true
            case .notASegment, .damagedSegment: return try scan(entry, visit)
            default: throw error
            }
        }
        seek(&reader)
        while true {
            do throws(StoreError) {
                guard let run = try reader.next() else { return true }
                if !visit(run) { return false }
            } catch {
                guard case .damagedSegment = error else { throw error }
            }
        }
    }

    /// The slow way, for a file whose footer or index is damaged.
    private func scan(
        _ entry: Entry, _ visit: (UnsafeBufferPointer<Tick>) -> Bool
    ) throws(StoreError) -> Bool {
        var scan = try SegmentScan(entry.path, workspace: workspace, hashes: false)
        while let run = try scan.next() { if !visit(run) { return false } }
        return true
    }
}
