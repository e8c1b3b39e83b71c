internal import Glibc
public import Ticks

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
    /// The file is no segment, or its header or footer is damaged.
    case notASegment(path: String)
    /// Bytes of a segment that are not what was written there.
    case damagedSegment(path: String, offset: UInt64)
    /// Files came and went again and again while they were read.
    case changing(path: String)
    /// The caller gave a segment's writer a key that is not above the one before.
    case keysDoNotRise(path: String, key: TickKey)

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
        case .notASegment(let path): "\(path): not a sealed segment, or its header or footer is damaged"
        case .damagedSegment(let path, let offset): "\(path): damaged at byte \(offset)"
        case .changing(let path): "\(path): changes too fast to be read: try again"
        case .keysDoNotRise(let path, let key): "\(path): the key \(key) is not above the one before"
        }
    }
}
