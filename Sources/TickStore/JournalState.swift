internal import Glibc
internal import Ticks

/// What an existing journal says at open: the newest sound segment's table and blocks are all there is to know.
struct JournalState {
    private(set) var table = KeyTable()
    private(set) var findings: [LogFinding] = []
    /// How far the streams were numbered when each segment was begun.
    private(set) var tables: [UInt64: [StreamID: StreamPosition]] = [:]

    /// Reads the segments; those without a sound beginning are set aside.
    init(_ files: inout JournalFiles) throws(StoreError) {
        var cursor = BlockCursor()
        var found = false
        for number in files.segments.reversed() {
            let path = JournalFiles.path(number, in: files.directory)
            let file = try File(path, O_RDONLY)
            cursor.seek(to: 0, limit: try file.size())
            guard case .block(let header, let payload, _) = try cursor.next(in: file, partID: nil),
                header.codec == .keyTable
            else {
                try files.setAside(number)
                continue
            }
            let begun = KeyTable(decoding: payload)
            tables[number] = begun.positions
            guard !found else { continue }
            found = true
            table = begun
            try readBlocks(path, file, header.partID, &cursor)
        }
    }

    private mutating func readBlocks(
        _ path: String, _ file: File, _ partID: UInt32, _ cursor: inout BlockCursor
    ) throws(StoreError) {
        while true {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, _):
                guard header.codec == .records else { continue }
                TickRuns(payload: payload).forEach { table.positions[$0] = StreamPosition($1[$1.count - 1]) }
            case .stop(let offset, _):
                guard try cursor.resync(in: file, partID: partID) else { return }
                findings.append(LogFinding(meaning: .corruption, path: path, range: offset..<cursor.offset))
            }
        }
    }
}
