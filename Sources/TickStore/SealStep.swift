public import Ticks

/// The moments of sealing at which a crash must leave either the log or the sealed file as truth, in their order. Each
/// is a fault point: tests end the process there.
public enum SealStep: String, Sendable, CaseIterable {
    /// Streams are counted, nothing is written yet.
    case beforeWrite = "before_write"
    /// Some records of a group stand in temporary files.
    case midWrite = "mid_write"
    /// All records are written; footers and fsync are missing.
    case beforeFsync = "before_fsync"
    /// The temporary file is whole, fsynced and compared with the log.
    case beforeRename = "before_rename"
    /// The file has its name; the directory is not fsynced.
    case afterRename = "after_rename"
    case afterDirectoryFsync = "after_directory_fsync"
    /// A part of the log has gone, its durable slots have not.
    case midRemoval = "mid_removal"
    /// Some parts of the hour have gone, others have not.
    case betweenRemovals = "between_removals"
    /// All parts of the hour have gone.
    case afterRemoval = "after_removal"
}

/// Why an hour was not sealed. The log stays as it is and remains the truth.
public enum SealError: Error, Sendable, Equatable, CustomStringConvertible {
    case store(StoreError)
    /// It was told to stop.
    case stopped
    /// What has to be done first can't be done now.
    case waiting(String)
    /// Parts of the log have lost what was durable in them.
    case damaged([LogFinding])
    /// A finished file does not hold what the log holds, from this key on.
    case differs(path: String, key: TickKey)

    public var description: String {
        switch self {
        case .store(let error): "\(error)"
        case .stopped: "told to stop"
        case .waiting(let why): why
        case .damaged(let findings): findings.first.map { "\($0)" } ?? "damaged"
        case .differs(let path, let key): "\(path): differs from the log at \(key): see 'ib-stream verify'"
        }
    }
}

extension SealError {
    /// Runs something that fails as the store does.
    static func of<Result: ~Copyable>(_ body: () throws(StoreError) -> Result) throws(SealError) -> Result {
        do throws(StoreError) { return try body() } catch { throw .store(error) }
    }
}

/// Who watches over sealing: is told where it is, and does its file work. Called on the sealing thread alone.
public protocol SealObserver: AnyObject {
    /// Sealing ends with `stopped` soon after this becomes true.
    var shouldStop: Bool { get }
    func reach(_ step: SealStep)
    /// Runs a piece of file work, at most a few hundred milliseconds on a healthy disk.
    func work<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure)
    /// How much of the log's bytes this hour's passes have read, and will have read at its end.
    func note(readBytes: UInt64, ofBytes: UInt64)
}

/// What sealing an hour did.
public struct SealedHour: Sendable, Equatable {
    /// A part that stays in the log although all that can be read of it is sealed.
    public struct Kept: Sendable, Equatable {
        public var part: PartName
        public var why: String
    }

    /// Hours since the Unix epoch.
    public var hour: Int64
    /// Files written, or written anew with more in them.
    public var files = 0
    /// Files that an earlier attempt had finished.
    public var finishedBefore = 0
    /// Records that are sealed now and were not before.
    public var records: UInt64 = 0
    /// Bytes of the files written.
    public var bytes: UInt64 = 0
    /// What the files that were written anew had before.
    public var replacedBytes: UInt64 = 0
    /// Parts of the log removed, and their bytes.
    public var parts = 0
    public var logBytes: UInt64 = 0
    public var kept: [Kept] = []
    /// How much more each contract has on disk: files and bytes.
    public var growth: [ContractID: Growth] = [:]

    /// What sealing added for one contract.
    public struct Growth: Sendable, Equatable {
        public var files = 0
        public var bytes: Int64 = 0
    }

    public init(hour: Int64) { self.hour = hour }
}
