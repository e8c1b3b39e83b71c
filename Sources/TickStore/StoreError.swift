internal import Glibc

/// What can go wrong with the files of the store.
public enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A system call failed: its name, the file, the errno value.
    case system(call: String, path: String, code: Int32)
    /// This writer failed before and takes nothing more: its file's end is unknown. Begin a new part.
    case writerFailed(path: String)
    /// The part has no room for a block of this size (only parts of fixed size: journal segments).
    case partFull(path: String)
    /// More streams than one key table can name.
    case tooManyStreams(path: String, count: Int)
    /// The file is no tick log, or its beginning is damaged.
    case notALog(path: String)

    /// The errno value, 0 where there is none.
    public var code: Int32 {
        if case .system(_, _, let code) = self { return code }
        return 0
    }

    public var description: String {
        switch self {
        case .system(let call, let path, let code): "\(path): \(call): \(String(cString: strerror(code)))"
        case .writerFailed(let path): "\(path): an earlier write failed, nothing more is written to this file"
        case .partFull(let path): "\(path): no room for the block"
        case .tooManyStreams(let path, let count):
            "\(path): \(count) streams are more than a key table holds (\(BlockHeader.maxTableEntries))"
        case .notALog(let path): "\(path): not a tick log, or its first block is damaged"
        }
    }
}
