internal import Glibc
internal import Ticks

/// The instruments' definitions in `<state>/definitions`: the recorder writes them as they come, and the list of sealed
/// files tells which have to be there from then on.
///
/// One thread, the one that writes the list.
public struct KeptDefinitions {
    /// One that is gone.
    public struct Gone: Sendable {
        public let path: String
        /// True when it is there again.
        public let isRestored: Bool

        /// In words.
        public var text: String { "\(path): the definition of a contract is gone" }
    }

    private static let suffix = ".json"
    private static let mostBytes = 1 << 20
    /// Copies in memory, of all together: some thousand definitions.
    private static let mostCopiedBytes = 16 << 20

    private let stateDirectory: String
    /// As they were at the last look.
    private var there: Set<ContractID> = []
    private var hasLooked = false
    /// Told to be gone, and not back.
    private var told: Set<ContractID> = []
    private var copies: [ContractID: [UInt8]] = [:]
    private var copiedBytes = 0

    public init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    static func path(_ stateDirectory: String, _ contract: ContractID) -> String {
        "\(stateDirectory)/definitions/\(contract)\(suffix)"
    }

    /// The contracts whose definitions are there.
    static func list(_ stateDirectory: String) throws(StoreError) -> Set<ContractID> {
        do throws(StoreError) {
            return Set(
                try Directory.names(stateDirectory + "/definitions").filter { $0.hasSuffix(suffix) }
                    .compactMap { ContractID($0.dropLast(suffix.count)) })
        } catch {
            guard error.code == ENOENT else { throw error }
            return []
        }
    }

    /// Lists what came, and puts back what is gone: from a copy in memory, or as a sealed file has it. Each that is
    /// gone is told once. Where there is no list nothing is done.
    public mutating func look() throws(StoreError) -> [Gone] {
        let now = try KeptDefinitions.list(stateDirectory)
        let before = there
        guard now != before || !hasLooked else { return [] }
        let list = try SealedList(stateDirectory: stateDirectory, share: .nothing)
        guard !list.isMissing else { return [] }
        hasLooked = true
        let fresh = now.subtracting(list.definitions).sorted()
        for contract in now.subtracting(before) { try copy(contract) }
        try SealedList.append(fresh.map { SealedEntry(.defined, $0) }, stateDirectory: stateDirectory)
        told.subtract(now)
        there = now
        var gone: [Gone] = []
        for contract in list.definitions.subtracting(now).sorted() where told.insert(contract).inserted {
            let isRestored = try restore(contract)
            if isRestored { there.insert(contract) }
            gone.append(Gone(path: KeptDefinitions.path(stateDirectory, contract), isRestored: isRestored))
        }
        return gone
    }

    /// Takes copies anew: definitions change.
    public mutating func refresh() throws(StoreError) {
        (copies, copiedBytes) = ([:], 0)
        for contract in there { try copy(contract) }
    }

    private mutating func copy(_ contract: ContractID) throws(StoreError) {
        guard let bytes = try KeptDefinitions.read(stateDirectory, contract) else { return }
        copiedBytes += bytes.count - (copies[contract]?.count ?? 0)
        if copiedBytes <= KeptDefinitions.mostCopiedBytes {
            copies[contract] = bytes
        } else {
            copiedBytes -= bytes.count
            copies[contract] = nil
        }
    }

    private mutating func restore(_ contract: ContractID) throws(StoreError) -> Bool {
        let copy = copies[contract]
        guard let bytes = if let copy { copy } else { try KeptDefinitions.sealed(stateDirectory, contract) } else {
            return false
        }
        try KeptDefinitions.write(bytes, stateDirectory, contract)
        return true
    }

    /// Nil when there is none.
    static func read(_ stateDirectory: String, _ contract: ContractID) throws(StoreError) -> [UInt8]? {
        do throws(StoreError) {
            let file = try File(path(stateDirectory, contract), O_RDONLY)
            var bytes = [UInt8](repeating: 0, count: Int(min(try file.size(), UInt64(mostBytes))))
            return try file.read(into: &bytes, at: 0) ? bytes : []
        } catch {
            guard error.code == ENOENT else { throw error }
            return nil
        }
    }

    /// What the newest of a contract's sealed files has; nil when none has one.
    static func sealed(_ stateDirectory: String, _ contract: ContractID) throws(StoreError) -> [UInt8]? {
        let directory = stateDirectory + "/ticks"
        let streams = try SegmentName.streams(ticksDirectory: directory).filter { $0.contract == contract }
        let names = try SegmentName.list(ticksDirectory: directory, streams: Set(streams))
        for name in names.sorted(by: { $0.hour > $1.hour }) {
            let scan = try SegmentScan(name.path(in: directory), workspace: SegmentWorkspace(), hashes: false)
            if let definition = scan.definition, !definition.isEmpty { return definition }
        }
        return nil
    }

    /// Puts one in its place, durably, unless one is there.
    static func write(_ bytes: [UInt8], _ stateDirectory: String, _ contract: ContractID) throws(StoreError) {
        let path = path(stateDirectory, contract)
        let directory = PartName.directory(of: path)
        try Directory.make(directory)
        let temporary = path + ".restored"
        try Directory.remove(temporary)
        let file = try File(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        try file.write(bytes, at: 0)
        try file.syncData()
        // The recorder's own is newer.
        guard access(path, F_OK) != 0 else { return try Directory.remove(temporary) }
        guard rename(temporary, path) == 0 else { throw .system(call: "rename", path: path, code: errno) }
        try Directory.sync(directory)
    }
}

extension Repair {
    /// Definitions that the list has and the disk has not: from a sealed file. One that nothing has is not
    /// missed any more: the gateway tells it again.
    mutating func repairDefinitions() throws(StoreError) {
        let list = try SealedList(stateDirectory: stateDirectory, share: .nothing)
        for contract in list.definitions.subtracting(try KeptDefinitions.list(stateDirectory)).sorted() {
            let path = KeptDefinitions.path(stateDirectory, contract)
            if let bytes = try KeptDefinitions.sealed(stateDirectory, contract) {
                try KeptDefinitions.write(bytes, stateDirectory, contract)
                report.actions.append(.init(path: path, what: "was gone, taken from a sealed file"))
            } else {
                try SealedList.append([SealedEntry(.undefined, contract)], stateDirectory: stateDirectory)
                report.lostDefinitions += 1
                report.actions.append(
                    .init(path: path, what: "is gone: no sealed file has it; the gateway tells it again"))
            }
        }
    }
}
