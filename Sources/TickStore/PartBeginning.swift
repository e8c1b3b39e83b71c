internal import Glibc

/// How a file of blocks begins, for a reader beside whom somebody may just be making it.
///
/// A part comes into being in this order: an empty file, its key table in one write, the file of its slots, records. A
/// journal file that is used again gets a header of zeros, another name, its table, records.
enum PartBeginning {
    /// A sound block; the table, nil when it is none.
    case sound(KeyTable?, partID: UInt32)
    /// Nothing that could count was written yet, or ever.
    case notBegun
    /// Something was written, and it does not stand there.
    case damaged

    /// Reads it. The cursor stands behind a sound first block, else at the file's beginning.
    init(of file: File, cursor: inout BlockCursor) throws(StoreError) {
        self = .damaged
        // What is not whole is looked at once more as soon as something shows that it must be by now.
        for _ in 0..<2 {
            let size = try file.size()
            cursor.seek(to: 0, limit: size)
            if case .block(let header, let payload, _) = try cursor.next(in: file, partID: nil) {
                self = .sound(header.codec == .keyTable ? KeyTable(decoding: payload) : nil, partID: header.partID)
                return
            }
            guard try PartBeginning.isInTheMaking(file) else { continue }
            var isNothing = PartBeginning.isJournal(file.path)
            if !isNothing, access(PartName.durablePath(ofLog: file.path), F_OK) != 0 {
                isNothing = try !cursor.resync(in: file, partID: nil)
            }
            if isNothing {
                self = .notBegun
                break
            }
        }
        cursor.seek(to: 0, limit: 0)
    }

    /// True for a name under which files come into being: of a part, or of a journal file.
    static func isKnownName(_ path: String) -> Bool { PartName(path: path) != nil || isJournal(path) }

    private static func isJournal(_ path: String) -> Bool {
        path.split(separator: "/").last.map { JournalFiles.number(String($0), ".log") != nil } ?? false
    }

    /// True when the file is shorter than a header, or has zeros or the header of a table there.
    private static func isInTheMaking(_ file: File) throws(StoreError) -> Bool {
        var bytes = [UInt8](repeating: 0, count: BlockHeader.size)
        guard try file.read(into: &bytes, at: 0) else { return true }
        if bytes.allSatisfy({ $0 == 0 }) { return true }
        return bytes.withUnsafeBytes { BlockHeader(decoding: $0)?.codec } == .keyTable
    }

    /// The part id in the first block's header, whether its block is sound or not; nil when there is no header.
    static func partID(of file: File) throws(StoreError) -> UInt32? {
        var bytes = [UInt8](repeating: 0, count: BlockHeader.size)
        guard try file.read(into: &bytes, at: 0) else { return nil }
        return bytes.withUnsafeBytes { BlockHeader(decoding: $0)?.partID }
    }
}
