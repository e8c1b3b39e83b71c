internal import Glibc
public import Ticks

/// Seals one hour of the log: splits its finished parts by stream into segment files, proves that these hold what the
/// log holds, gives them their names, makes all that durable, and only then removes the parts. One thread, with low
/// priority; the recorder's writing thread goes on meanwhile and is not touched.
///
/// Whenever it ends, by a crash or an error, the log is still there or the sealed files are complete; doing it again
/// finishes it. Memory is bounded whatever the number of streams: they are taken in groups, one pass over the log each.
public final class HourSealer {
    /// What sealing may use.
    public struct Bounds: Sendable {
        /// For records and open files of a group.
        public var memoryBytes: Int
        /// Records of a stream with more than this go straight to its file instead of through memory.
        public var gatherBytes: Int

        public init(memoryBytes: Int = 160 << 20, gatherBytes: Int = 4 << 20) {
            self.memoryBytes = memoryBytes
            self.gatherBytes = gatherBytes
        }
    }

    /// What a segment says of its instrument.
    public struct Identity: Sendable {
        /// Decoration of the path.
        public var symbol: String
        /// JSON, as the gateway described the instrument; empty where nothing is known.
        public var definition: [UInt8]

        public init(symbol: String, definition: [UInt8]) {
            self.symbol = symbol
            self.definition = definition
        }
    }

    /// Where temporary files lie, beneath the directory of segments: on the same
    /// file system, so that a rename suffices.
    public static let temporaryName = ".sealing"

    private let stateDirectory: String
    private let logDirectory: String
    private let ticksDirectory: String
    private let bounds: Bounds
    private let identity: (ContractID) -> Identity
    private let observer: any SealObserver
    private let workspace = SegmentWorkspace()
    private var directories = DurableDirectories()

    // Of the hour being sealed.
    private var hour = SealHour(hour: 0, parts: [])
    private var result = SealedHour(hour: 0)
    private var tallies: [StreamID: StreamTally] = [:]
    /// Parts with records that name no stream of this version.
    private var strange: Set<PartName> = []
    private var pass: PartsPass

    /// Seals below a state directory.
    public init(
        stateDirectory: String, bounds: Bounds = Bounds(), observer: any SealObserver,
        identity: @escaping (ContractID) -> Identity
    ) {
        self.stateDirectory = stateDirectory
        logDirectory = stateDirectory + "/log"
        ticksDirectory = stateDirectory + "/ticks"
        self.bounds = bounds
        self.identity = identity
        self.observer = observer
        pass = PartsPass(directory: stateDirectory + "/log", parts: [], observer: observer)
    }

    /// Removes what a crash left: temporary files, and durable slots whose part has gone. To be called before the first
    /// `seal`; nobody else seals meanwhile. Returns the number of files.
    public func removeLeftovers() throws(StoreError) -> Int {
        var count = 0
        let temporary = ticksDirectory + "/" + HourSealer.temporaryName
        do throws(StoreError) {
            for name in try Directory.names(temporary) {
                try Directory.remove(temporary + "/" + name)
                count += 1
            }
        } catch {
            guard error.code == ENOENT else { throw error }
        }
        let names = Set(try Directory.names(logDirectory))
        let newest = names.compactMap { PartName(fileName: $0) }.max()
        for name in names where name.hasSuffix(".durable") {
            let part = name.dropLast(8) + ".log"
            // Of a part above the newest one the slots may just be being made.
            guard !names.contains(String(part)), let gone = PartName(fileName: String(part)), let newest, gone < newest
            else { continue }
            try Directory.remove(logDirectory + "/" + name)
            count += 1
        }
        return count
    }

    /// Seals the hour. After an error the log is as it was; some of the hour's files may be
    /// finished, and are found so the next time.
    ///
    /// - Parameter tolerating: parts that are sealed as far as they can be read, and kept, where they are damaged;
    ///   damage in another one is thrown as `damaged` before anything is written. Nil: all.
    public func seal(_ wanted: SealHour, tolerating: Set<PartName>? = nil) throws(SealError) -> SealedHour {
        do throws(SealError) { return try sealAnew(wanted, tolerating) } catch {
            // It may be one of them that somebody has removed.
            forgetDirectories()
            throw error
        }
    }

    /// To be called when directories of sealed files were removed: they are made anew then.
    public func forgetDirectories() { directories = DurableDirectories() }

    private func sealAnew(_ wanted: SealHour, _ tolerated: Set<PartName>?) throws(SealError) -> SealedHour {
        hour = wanted
        result = SealedHour(hour: wanted.hour)
        tallies = [:]
        strange = []
        defer { tallies = [:] }
        pass = PartsPass(directory: logDirectory, parts: wanted.parts, observer: observer)
        try count()
        if let tolerated {
            let alarms = pass.findings.filter { !tolerated.contains($0.key) }.values.joined().filter(\.isAlarm)
            guard alarms.isEmpty else { throw .damaged(alarms) }
        }
        observer.reach(.beforeWrite)
        let groups = SealPlan.groups(tallies.values.map(load), memoryBytes: bounds.memoryBytes)
        // A group with files that are written straight from the log is compared in a second pass.
        let passes = groups.reduce(1) { $0 + ($1.contains(where: isLarge) ? 2 : 1) }
        pass.bytesTotal = wanted.bytes * UInt64(passes)
        for group in groups { try seal(group) }
        try assureSuccessor()
        try store { () throws(StoreError) in try removeParts() }
        return result
    }

    // MARK: - Counting

    /// The first pass: what there is of each stream.
    private func count() throws(SealError) {
        let places: SegmentPlaces
        do throws(StoreError) { places = try SegmentPlaces(ticksDirectory) } catch { throw .store(error) }
        pass.bytesTotal = hour.bytes
        var part: PartName?
        var table: KeyTable?
        try read {
            (part, table) = ($0, $1)
        } visit: { stream, run throws(SealError) in
            guard let stream else {
                if let part { strange.insert(part) }
                return
            }
            if tallies[stream] == nil {
                tallies[stream] = try tally(stream, places, after: table?.positions[stream]?.key ?? .zero)
            }
            try tallies[stream]?.count(run)
        }
    }

    /// What an earlier sealing has of the stream's hour.
    ///
    /// - Parameter previousKey: the stream's last one in front of the hour's parts, as their tables tell.
    private func tally(
        _ stream: StreamID, _ places: SegmentPlaces, after previousKey: TickKey
    ) throws(SealError) -> StreamTally {
        var tally = StreamTally(stream)
        tally.previousKey = previousKey
        do throws(StoreError) {
            guard let name = try places.existing(stream, hour: hour.hour) else { return tally }
            let path = name.path(in: ticksDirectory)
            let footer = try SegmentFooter(of: path)
            tally.existing = name
            tally.existingRecords = footer.records
            tally.existingLast = footer.lastKey
            tally.previousKey = footer.previousKey ?? .zero
            tally.existingBytes = try File(path, O_RDONLY).size()
        } catch { throw .store(error) }
        return tally
    }

    private func isLarge(_ stream: StreamID) -> Bool {
        guard let tally = tallies[stream] else { return false }
        return tally.inLog > UInt64(bounds.gatherBytes / Tick.size)
    }

    private func load(_ tally: StreamTally) -> SealPlan.Load {
        let records = Int(clamping: tally.sealedRecords)
        let bytes =
            isLarge(tally.stream)
            ? max(SegmentWriter.memoryBytes(records: records), SegmentReader.memoryBytes(records: records))
            : Int(tally.inLog) * Tick.size
        return SealPlan.Load(stream: tally.stream, memoryBytes: bytes)
    }

    // MARK: - A group of streams

    private func seal(_ group: [StreamID]) throws(SealError) {
        let builds = group.compactMap { stream in
            tallies[stream].map { tally in
                SegmentBuild(
                    tally, target: target(tally), temporary: temporary(stream), ticksDirectory: ticksDirectory,
                    gathers: !isLarge(stream), workspace: workspace)
            }
        }
        do throws(SealError) {
            try write(builds)
            try compare(builds)
            for build in builds { try publish(build) }
            // Before the log's parts go, the list tells that these files have to be there.
            try store { () throws(StoreError) in
                var entries: [SealedEntry] = []
                for build in builds { entries.append(try build.entry()) }
                try SealedList.append(entries, stateDirectory: stateDirectory)
            }
        } catch {
            // What is not finished is of no use to the next attempt.
            for build in builds { build.abandon() }
            throw error
        }
    }

    private func write(_ builds: [SegmentBuild]) throws(SealError) {
        try store { () throws(StoreError) in try Directory.make(ticksDirectory + "/" + HourSealer.temporaryName) }
        for build in builds where !build.gathers {
            try observer.work { () throws(SealError) in try build.open(definition(build)) }
        }
        let byStream = Dictionary(uniqueKeysWithValues: builds.map { ($0.tally.stream, $0) })
        var isBegun = false
        try read { _, _ in
        } visit: { stream, run throws(SealError) in
            guard let stream, let build = byStream[stream] else { return }
            try build.take(run)
            if !isBegun {
                isBegun = true
                observer.reach(.midWrite)
            }
        }
        for build in builds {
            if observer.shouldStop { throw .stopped }
            if build.gathers {
                try observer.work { () throws(SealError) in try build.open(definition(build)) }
                try observer.work { () throws(SealError) in try build.writeGathered() }
            }
            observer.reach(.beforeFsync)
            try observer.work { () throws(SealError) in try build.finish() }
        }
    }

    /// Every file against the log: from memory where the records were gathered, else by a second pass over the log.
    private func compare(_ builds: [SegmentBuild]) throws(SealError) {
        for build in builds {
            if observer.shouldStop { throw .stopped }
            try observer.work { () throws(SealError) in try build.beginComparison() }
            if build.gathers { try observer.work { () throws(SealError) in try build.compareGathered() } }
        }
        let large = builds.filter { !$0.gathers }
        guard !large.isEmpty else { return }
        let byStream = Dictionary(uniqueKeysWithValues: large.map { ($0.tally.stream, $0) })
        try read { _, _ in
        } visit: { stream, run throws(SealError) in
            guard let stream, let build = byStream[stream] else { return }
            try build.compare(run)
        }
        for build in large { try build.endComparison() }
    }

    private func publish(_ build: SegmentBuild) throws(SealError) {
        let directory = PartName.directory(of: build.target.path(in: ticksDirectory))
        try store { () throws(StoreError) in try directories.make(directory, below: ticksDirectory) }
        let tally = build.tally
        if build.isNew {
            observer.reach(.beforeRename)
            try store { () throws(StoreError) in try build.rename(to: build.target.path(in: ticksDirectory)) }
            observer.reach(.afterRename)
            result.files += 1
            result.records += tally.fresh
            result.bytes += build.bytes
            result.replacedBytes += tally.existingBytes
            var growth = result.growth[tally.stream.contract] ?? SealedHour.Growth()
            growth.files += tally.existing == nil ? 1 : 0
            growth.bytes += Int64(build.bytes) - Int64(tally.existingBytes)
            result.growth[tally.stream.contract] = growth
        } else {
            result.finishedBefore += 1
        }
        // Also where an earlier attempt renamed it: it may have died before this.
        try store { () throws(StoreError) in try Directory.sync(directory) }
        observer.reach(.afterDirectoryFsync)
    }

    private func target(_ tally: StreamTally) -> SegmentName {
        tally.existing
            ?? SegmentName(stream: tally.stream, symbol: identity(tally.stream.contract).symbol, hour: hour.hour)
    }

    private func temporary(_ stream: StreamID) -> String {
        "\(ticksDirectory)/\(HourSealer.temporaryName)/\(stream).\(hour.hour)"
    }

    private func definition(_ build: SegmentBuild) -> [UInt8] { identity(build.tally.stream.contract).definition }

    // MARK: - The log

    private func read(
        _ begin: (PartName, KeyTable?) -> Void, visit: (StreamID?, UnsafeBufferPointer<Tick>) throws(SealError) -> Void
    ) throws(SealError) {
        var pass = pass
        try pass.run(begin: begin, visit: visit)
        pass.bytesBefore += hour.bytes
        self.pass = pass
    }

    /// A newer part has to say how far every stream is before these go: its table must be sound, and on the disk.
    private func assureSuccessor() throws(SealError) {
        var isSound = false
        try store { () throws(StoreError) in
            guard let newest = try PartName.list(logDirectory).last, let last = hour.parts.last, newest > last.name
            else {
                return
            }
            let file = try File(newest.path(in: logDirectory), O_RDONLY)
            var cursor = BlockCursor()
            cursor.seek(to: 0, limit: try file.size())
            guard case .block(let header, _, _) = try cursor.next(in: file, partID: nil), header.codec == .keyTable
            else {
                return
            }
            try file.syncData()
            isSound = true
        }
        guard isSound else { throw .waiting("sealed, but no newer part of the log has a sound table yet") }
    }

    /// Removes the parts, oldest first, except those with something in them that is sealed nowhere.
    private func removeParts() throws(StoreError) {
        let removable = hour.parts.filter { part in
            if let why = reasonToKeep(part.name) {
                result.kept.append(SealedHour.Kept(part: part.name, why: why))
                return false
            }
            return true
        }
        for (index, part) in removable.enumerated() {
            let path = part.name.path(in: logDirectory)
            // The slots last: without them a part would be read beyond what was durable in it.
            try Directory.remove(path)
            observer.reach(.midRemoval)
            try Directory.remove(PartName.durablePath(ofLog: path))
            result.parts += 1
            result.logBytes += part.bytes
            if index + 1 < removable.count { observer.reach(.betweenRemovals) }
        }
        try Directory.sync(logDirectory)
        observer.reach(.afterRemoval)
    }

    private func reasonToKeep(_ part: PartName) -> String? {
        if let finding = pass.findings[part]?.first(where: \.isAlarm) { return "\(finding)" }
        return strange.contains(part) ? "it has records of no known stream" : nil
    }

    private func store(_ body: () throws(StoreError) -> Void) throws(SealError) {
        do throws(StoreError) { try observer.work(body) } catch { throw .store(error) }
    }
}
