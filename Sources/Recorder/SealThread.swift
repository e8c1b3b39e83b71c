internal import CLinux
internal import Glibc
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The seal thread's work: turns hours that are over into sealed files, and removes the oldest sealed hours where the
/// configuration wants that.
///
/// It runs in the background (nice 10, idle disk priority) and shares nothing with the write thread but the wish for a new
/// part. When it fails the log stays what it is, and it tries again with backoff.
struct SealThread: ~Copyable {
    /// How often it looks whether an hour is over.
    private static let lookNanos: Int64 = 1_000_000_000
    /// How often it is looked whether all sealed files are there.
    private static let filesNanos: Int64 = 3_600_000_000_000
    private static let filesRetryNanos: Int64 = 10_000_000_000
    /// How often all sealed files are counted anew.
    private static let surveyNanos: Int64 = 24 * 3_600_000_000_000
    private static let firstRetryNanos: Int64 = 5_000_000_000
    private static let longestRetryNanos: Int64 = 300_000_000_000
    private static let defaultBufferHours = 24

    private let task: TaskContext
    private let paths: Paths
    private let storage: StorageSettings
    private let queue: CommitQueue
    private let board: SealBoard
    private let watch: SealWatch
    private let damage: DamageWatch
    private let journalDirectory: String
    private let sealer: HourSealer
    private let stock: SegmentStock
    /// Parts that stay although they are sealed: each is looked at once per start.
    private var kept: Set<PartName> = []
    /// Damaged files that were written anew once in this run, or could not be.
    private var triedToMend: Set<String> = []
    /// What has to be there beside the sealed files.
    private var logParts: LogParts
    private var definitions: KeptDefinitions
    private var nextDamageLookNanos: Int64 = 0
    private var nextLookNanos: Int64 = 0
    private var nextLogLookNanos: Int64 = 0
    private var logLookFault: String?
    private var nextSurveyNanos: Int64 = 0
    private var nextFilesLookNanos: Int64 = 0
    /// When all sealed files were compared with their list last, by the host's clock.
    private var filesLookedAtNanos: Int64?
    private var filesFault: String?
    private var toldFilesFault: String?
    private var isSurveyed = false
    private var isClean = false
    /// The newest time of the gateway that is known.
    private var newestEventNanos: Int64?
    private var failuresInARow = 0
    private var saidProtected = false

    init(
        _ task: TaskContext, configuration: Configuration, paths: Paths, queue: CommitQueue, board: SealBoard,
        damage: DamageWatch, faultPoint: FaultPoint
    ) {
        self.task = task
        self.damage = damage
        journalDirectory = paths.journal(configuration)
        self.paths = paths
        logParts = LogParts(stateDirectory: paths.state)
        definitions = KeptDefinitions(stateDirectory: paths.state)
        storage = configuration.storage
        self.queue = queue
        self.board = board
        watch = SealWatch(task, board, faultPoint)
        let contracts = configuration.contractOf
        let identities = SealIdentities(paths, contracts: contracts)
        sealer = HourSealer(stateDirectory: paths.state, observer: watch, identity: identities.identity)
        stock = SegmentStock(stateDirectory: paths.state, observer: watch) {
            contracts[$0]?.bufferHours ?? SealThread.defaultBufferHours
        }
    }

    /// Runs until the stop. Throws nothing: what can't be sealed now must not end the process that records.
    mutating func run() {
        let refusal = clx_lower_thread_priority()
        if refusal != 0 { log(.warning, "sealing runs at the usual priority", ["why": errorText(refusal)]) }
        board.endJob(error: "the seal task was restarted")
        while !task.stop.isStopped {
            task.progress.advance()
            board.bell.clear()
            lookForDamage()
            round()
            lookAtLogWhenDue()
            rest()
        }
        board.endJob(error: "the recorder stops")
    }

    /// Waits for the next look, a job or the stop.
    private func rest() {
        let now = bootNanos()
        guard nextLookNanos > now else { return }
        var descriptors = [
            pollfd(fd: task.stop.fileDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: board.bell.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&descriptors, 2, Int32(min(nextLookNanos - now, 250_000_000) / 1_000_000 + 1))
    }

    private mutating func round() {
        let job = board.takeJob()
        guard job != nil || bootNanos() >= nextLookNanos else { return }
        do throws(SealError) {
            try clean()
            lookAtFiles()
            if let job, job.reach == .beforeNewestPart { try beginPart() }
            try survey()
            try seal(job?.reach ?? .pastHours)
            try retain()
            board.endJob()
            noteSuccess()
        } catch .stopped {
            board.endJob(error: "the recorder stops")
        } catch {
            board.endJob(error: "\(error)")
            noteFailure(error)
        }
    }

    /// Once per start: what a crash left.
    private mutating func clean() throws(SealError) {
        guard !isClean else { return }
        let leftovers: Int
        do throws(StoreError) { leftovers = try sealer.removeLeftovers() } catch { throw .store(error) }
        isClean = true
        if leftovers > 0 { log(.notice, "removed what an unfinished sealing left", ["files": "\(leftovers)"]) }
    }

    /// Waits until the write thread has finished the present part.
    private func beginPart() throws(SealError) {
        let wish = queue.askForPart()
        while !queue.hasBegunPart(wish) {
            task.progress.advance()
            if task.stop.wait(millis: 10) { throw .stopped }
            if let fault = queue.disk.fault { throw .waiting("no new part can be begun: \(fault)") }
        }
    }

    private mutating func seal(_ reach: SealPlan.Reach) throws(SealError) {
        while try !sealHours(reach) {}
    }

    /// False when a damaged file was written anew meanwhile: then what there is to seal is looked at again.
    private mutating func sealHours(_ reach: SealPlan.Reach) throws(SealError) -> Bool {
        lookAtLog()
        let parts = try parts()
        let sealedHour = stock.newestHour
        let settled = try settled(parts, before: sealedHour)
        let hours = SealPlan.hours(
            parts: parts, kept: kept, reach: reach, sealedHour: sealedHour, settled: settled,
            nowHour: queue.logNanos.floorDivided(by: 3_600_000_000_000))
        for hour in hours {
            let started = bootNanos()
            watch.hour = hour.hour
            let sealed: SealedHour
            do throws(SealError) {
                sealed = try sealer.seal(hour, tolerating: settled.union(tried(hour)))
            } catch {
                guard try mend(error) else { throw error }
                return false
            }
            stock.add(sealed)
            kept.formUnion(sealed.kept.map(\.part))
            board.note(sealed: sealed)
            board.note(stored: stock.files, bytes: stock.bytes, newestHour: stock.newestHour)
            report(sealed, tookNanos: bootNanos() - started)
        }
        return true
    }

    // MARK: - Damage

    /// At the start and once an hour: compares the sealed files with their list. What is gone is red, and is written down as lost,
    /// so that history is asked for it.
    private mutating func lookAtFiles() {
        let now = bootNanos()
        guard now >= nextFilesLookNanos else { return }
        // A file that changes meanwhile is opened the next time; and clocks are coarse.
        let begunNanos = realNanos() - SealThread.lookNanos
        var isCut = false
        do throws(StoreError) {
            try task.progress.duringDiskCall { () throws(StoreError) in
                let stop = task.stop
                let files = try SealedFiles(
                    stateDirectory: paths.state, opensAll: false, changedSinceNanos: filesLookedAtNanos
                ) { !stop.isStopped }
                guard files.isWhole else { return }
                let found = files.damage
                for text in found { log(.critical, "CRITICAL: durable data was destroyed", ["why": text]) }
                damage.note(found)
                if files.unlistedCount > 0 {
                    log(.notice, "sealed files were put into their list", ["files": "\(files.unlistedCount)"])
                }
                try files.bringList()
                try definitions.refresh()
                isCut = files.isCut
                filesLookedAtNanos = begunNanos
                // A volume that is not mounted has lost nothing.
                guard files.hasAny, files.goneCount > 0 else { return }
                for action in try mender.mendGone(files).actions {
                    log(.notice, "mended: \(action.path): \(action.what)")
                }
            }
            filesFault = nil
            nextFilesLookNanos = isCut ? now : now + SealThread.filesNanos
        } catch {
            // Sealing and retention go on; that nobody knows whether all is there is told.
            if filesFault == nil {
                log(.error, "the sealed files can't be compared with their list", ["why": "\(error)"])
            }
            filesFault = "the sealed files can't be compared with their list: \(error)"
            nextFilesLookNanos = now + SealThread.filesRetryNanos
        }
    }

    /// Once a second.
    private mutating func lookAtLogWhenDue() {
        let now = bootNanos()
        guard now >= nextLogLookNanos else { return }
        nextLogLookNanos = now + SealThread.lookNanos
        lookAtLog()
    }

    /// Finished parts of the log and definitions that are gone are red; what is known of them is put back.
    private mutating func lookAtLog() {
        do throws(StoreError) {
            try task.progress.duringDiskCall { () throws(StoreError) in
                let parts = try logParts.look()
                let papers = try definitions.look()
                let found = parts.map(\.text) + papers.map(\.text)
                for text in found { log(.critical, "CRITICAL: durable data was destroyed", ["why": text]) }
                damage.note(found)
                for gone in papers where gone.isRestored {
                    log(.notice, "mended: \(gone.path): was gone, written anew")
                }
                guard !parts.isEmpty else { return }
                for action in try mender.mendParts(parts).actions {
                    log(.notice, "mended: \(action.path): \(action.what)")
                }
            }
            logLookFault = nil
        } catch {
            if logLookFault == nil { log(.error, "it can't be seen whether the log is whole", ["why": "\(error)"]) }
            logLookFault = "\(error)"
        }
    }

    /// Once a second: somebody may have repaired or acknowledged it.
    private mutating func lookForDamage() {
        let now = bootNanos()
        guard now >= nextDamageLookNanos else { return }
        nextDamageLookNanos = now + SealThread.lookNanos
        task.progress.duringDiskCall { damage.look() }
    }

    private func tried(_ hour: SealHour) -> [PartName] {
        let (tried, directory) = (triedToMend, paths.log)
        return hour.parts.map(\.name).filter { tried.contains($0.path(in: directory)) }
    }

    /// Writes the damaged files that hold up sealing anew, each once. False when there is none, or none that was not tried.
    private mutating func mend(_ error: SealError) throws(SealError) -> Bool {
        let found: [String]
        switch error {
        case .damaged(let findings):
            damage.note(findings)
            found = findings.map(\.path)
        case .store(.notASegment(let path)), .store(.damagedSegment(let path, _)):
            damage.note(["\(error)"])
            found = [path]
        case .store, .stopped, .waiting, .differs: return false
        }
        let paths = Set(found).subtracting(triedToMend)
        guard !paths.isEmpty else { return false }
        log(.critical, "CRITICAL: durable data was destroyed, writing the file anew", ["why": "\(error)"])
        triedToMend.formUnion(paths)
        do throws(StoreError) {
            try task.progress.duringDiskCall { () throws(StoreError) in try rewrite(paths) }
        } catch {
            log(.critical, "CRITICAL: a damaged file can't be written anew", ["why": "\(error)"])
        }
        return true
    }

    private func rewrite(_ files: Set<String>) throws(StoreError) {
        var actions: [RepairReport.Action] = []
        let damaged = Set(files.compactMap { PartName(path: $0) })
        if !damaged.isEmpty { actions += try mender.mendParts(damaged).actions }
        for path in files where SegmentName(path: path) != nil { actions += try mender.mendSegment(at: path).actions }
        for action in actions { log(.notice, "mended: \(action.path): \(action.what)") }
    }

    private var mender: Repair {
        Repair(stateDirectory: paths.state, nowNanos: queue.logNanos, journalDirectory: journalDirectory)
    }

    /// Parts of hours before the newest sealed one: kept when they were sealed, or named by a clock that was set back.
    private func settled(_ parts: [SealPart], before sealedHour: Int64?) throws(SealError) -> Set<PartName> {
        guard let sealedHour else { return [] }
        do throws(StoreError) {
            return try SealedParts.find(
                parts.map(\.name).filter { !kept.contains($0) }, before: sealedHour, logDirectory: paths.log,
                ticksDirectory: paths.ticks)
        } catch { throw .store(error) }
    }

    private func parts() throws(SealError) -> [SealPart] {
        do throws(StoreError) { return try SealPart.list(paths.log) } catch { throw .store(error) }
    }

    private func report(_ sealed: SealedHour, tookNanos: Int64) {
        log(
            .notice, "sealed",
            [
                "hour": SealBoard.text(hour: sealed.hour), "files": "\(sealed.files)", "records": "\(sealed.records)",
                "bytes": "\(sealed.bytes)", "log_bytes": "\(sealed.logBytes)", "millis": "\(tookNanos / 1_000_000)",
            ])
        for kept in sealed.kept {
            log(
                .critical, "CRITICAL: a part of the log is sealed as far as it can be read, and kept",
                ["part": "\(kept.part)", "why": kept.why])
        }
    }

    // MARK: - Retention

    private mutating func survey() throws(SealError) {
        let now = bootNanos()
        guard !isSurveyed || now >= nextSurveyNanos else { return }
        try stock.survey()
        isSurveyed = true
        nextSurveyNanos = now + SealThread.surveyNanos
        board.note(stored: stock.files, bytes: stock.bytes, newestHour: stock.newestHour)
    }

    private mutating func retain() throws(SealError) {
        guard storage.keepDays != nil || storage.keepBytes != nil else { return }
        for position in queue.durable.values where position.tsEventNanos != Tick.noEventTime {
            newestEventNanos = max(newestEventNanos ?? .min, position.tsEventNanos)
        }
        var plan = retentionPlan
        // The streams' last records have no time of the gateway from the end of a session until the first tick of the next;
        // sealed ticks have.
        if newestEventNanos == nil, !plan.removals.isEmpty {
            newestEventNanos = try stock.newestEventNanos()
            plan = retentionPlan
        }
        for removal in plan.removals {
            let removed = try stock.remove(removal.stock)
            sealer.forgetDirectories()
            board.note(removed: removed.files, bytes: removed.bytes)
            board.note(stored: stock.files, bytes: stock.bytes, newestHour: stock.newestHour)
            log(
                .notice, "retention removed",
                [
                    "hour": SealBoard.text(hour: removal.stock.hour), "files": "\(removed.files)",
                    "bytes": "\(removed.bytes)", "rule": removal.rule.rawValue,
                ])
        }
        let isProtected = plan.bytesProtected > 0
        if isProtected, !saidProtected {
            log(
                .warning, "more is kept than storage.keep_bytes allows: buffer_hours protects it",
                ["bytes_above": "\(plan.bytesProtected)"])
        }
        saidProtected = isProtected
    }

    private var retentionPlan: RetentionPlan {
        RetentionPlan(
            stock: stock.entries, keepDays: storage.keepDays, keepBytes: storage.keepBytes,
            nowNanos: RetentionPlan.trustedNow(hostNanos: queue.logNanos, newestEventNanos: newestEventNanos))
    }

    // MARK: - Failures

    private mutating func noteSuccess() {
        nextLookNanos = bootNanos() + SealThread.lookNanos
        if filesFault == nil || filesFault != toldFilesFault { board.note(fault: filesFault) }
        toldFilesFault = filesFault
        guard failuresInARow > 0 else { return }
        failuresInARow = 0
        log(.notice, "sealing works again")
    }

    private mutating func noteFailure(_ error: SealError) {
        failuresInARow += 1
        // What was sealed or removed of an hour before it failed is not counted.
        isSurveyed = false
        // The list may be what is wrong.
        nextFilesLookNanos = 0
        let wait = min(
            SealThread.firstRetryNanos << Int64(min(failuresInARow - 1, 6)), SealThread.longestRetryNanos)
        nextLookNanos = bootNanos() + wait
        board.note(fault: "\(error)")
        log(
            failuresInARow == 1 ? .error : .warning, "sealing failed, the log stays",
            ["why": "\(error)", "next_try_seconds": "\(wait / 1_000_000_000)"])
    }
}

/// Watches over sealing for the seal thread: fault points, progress, the stop.
final class SealWatch: SealObserver {
    private let task: TaskContext
    private let board: SealBoard
    private let faultPoint: FaultPoint
    /// The hour being sealed.
    var hour: Int64 = 0

    init(_ task: TaskContext, _ board: SealBoard, _ faultPoint: FaultPoint) {
        self.task = task
        self.board = board
        self.faultPoint = faultPoint
    }

    var shouldStop: Bool { task.stop.isStopped }

    func reach(_ step: SealStep) { faultPoint.reach("seal.\(step.rawValue)") }

    func work<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) {
        try task.progress.duringDiskCall(body)
    }

    func note(readBytes: UInt64, ofBytes: UInt64) { board.note(hour: hour, readBytes: readBytes, ofBytes: ofBytes) }
}
