internal import Glibc
internal import Ticks

/// Holds a finished file against what the log has, record by record. One thread.
final class SegmentComparison {
    private let path: String
    private var reader: SegmentReader
    private var block = UnsafeBufferPointer<Tick>(start: nil, count: 0)
    private var at = 0
    /// Up to here the file may have records that the log has no more: an earlier sealing took them.
    private let earlierLast: TickKey
    private var last = TickKey.zero

    init(_ path: String, earlierLast: TickKey, workspace: SegmentWorkspace) throws(StoreError) {
        self.path = path
        self.earlierLast = earlierLast
        reader = try SegmentReader(path, workspace: workspace)
    }

    /// The footer of the file.
    var footer: SegmentFooter { reader.footer }

    /// The file's next records have to be these (rising keys); those of an earlier sealing may stand between.
    func expect(_ run: UnsafeBufferPointer<Tick>) throws(SealError) {
        var given = 0
        while given < run.count {
            guard try fill() else { throw .differs(path: path, key: run[given].key) }
            if block[at].key < run[given].key, block[at].key <= earlierLast {
                at += 1
                continue
            }
            // As many as lie in both: whatever differs in them, order included, shows as different bytes.
            var count = min(run.count - given, block.count - at)
            if run[given].key <= earlierLast { count = 1 }
            guard let ours = run.baseAddress, let sealed = block.baseAddress,
                memcmp(ours + given, sealed + at, count * Tick.size) == 0
            else { throw .differs(path: path, key: run[given].key) }
            given += count
            at += count
        }
        last = run.isEmpty ? last : run[run.count - 1].key
    }

    /// All was expected: nothing but records of an earlier sealing may be left,
    /// and there are as many as there should be.
    func finish(records: UInt64) throws(SealError) {
        while try fill() {
            guard block[block.count - 1].key <= earlierLast else { throw .differs(path: path, key: block[at].key) }
            last = max(last, block[block.count - 1].key)
            at = block.count
        }
        guard reader.footer.records == records, reader.footer.lastKey == last else {
            throw .differs(path: path, key: last)
        }
    }

    /// Makes sure that a record is at hand; false at the end.
    private func fill() throws(SealError) -> Bool {
        while at == block.count {
            do throws(StoreError) {
                guard let next = try reader.next() else { return false }
                block = next
            } catch { throw .store(error) }
            at = 0
        }
        return true
    }
}
