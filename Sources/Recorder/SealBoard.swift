internal import JSON
internal import Synchronization
internal import ServiceKit
internal import TickStore
internal import Ticks

/// What the seal thread tells the others, and what they ask of it. Any thread.
final class SealBoard: Sendable {
    /// One wish of an operator: seal now, and say when it is done.
    struct Job: Sendable {
        enum State: String, Sendable {
            case waiting, running, done, failed
        }

        let number: Int64
        var reach: SealPlan.Reach
        var state = State.waiting
        var error: String?
        var hours: [SealedHour] = []
    }

    private struct State {
        var jobs: [Job] = []
        var lastNumber: Int64 = 0
        /// The hour being sealed, and how much of the log's bytes has been read for it.
        var working: (hour: Int64, read: UInt64, of: UInt64)?
        var fault: String?
        var failures: UInt64 = 0
        var lastHour: Int64?
        var files: UInt64 = 0
        var records: UInt64 = 0
        var bytes: UInt64 = 0
        var logBytes: UInt64 = 0
        var kept: [String] = []
        var storedFiles = 0
        var storedBytes: UInt64 = 0
        var removedFiles: UInt64 = 0
        var removedBytes: UInt64 = 0
    }

    /// Results of the last few jobs are kept for whoever asks.
    private static let maxJobs = 8
    /// Hours listed in one answer; sums count all.
    private static let maxHours = 1_000
    private static let maxKept = 100

    private let state = Mutex(State())
    private let facts: HeartbeatFacts
    /// Rings when a job came.
    let bell: WakeUp

    init(facts: HeartbeatFacts) throws(ProgramError) {
        self.facts = facts
        bell = try WakeUp()
    }

    // MARK: - Control thread

    /// A new job, or the one that waits already, which then reaches as far as both wanted. Returns its number.
    func ask(_ reach: SealPlan.Reach) -> Int64 {
        let number = state.withLock { state in
            if let index = state.jobs.firstIndex(where: { $0.state == .waiting }) {
                if reach == .beforeNewestPart { state.jobs[index].reach = reach }
                return state.jobs[index].number
            }
            state.lastNumber += 1
            state.jobs.append(Job(number: state.lastNumber, reach: reach))
            if state.jobs.count > SealBoard.maxJobs { state.jobs.removeFirst() }
            return state.lastNumber
        }
        bell.ring()
        return number
    }

    /// How a job stands; nil for a number that is not known (any more).
    func answer(_ number: Int64) -> JSONValue? {
        state.withLock { state in
            guard let job = state.jobs.first(where: { $0.number == number }) else { return nil }
            let hours = job.hours.suffix(SealBoard.maxHours).map(SealBoard.json)
            let working = job.state == .running ? state.working : nil
            return [
                "job": .integer(number), "state": .string(job.state.rawValue),
                "error": job.error.map { .string($0) } ?? .null,
                "working_on": working.map { .string(SealBoard.text(hour: $0.hour)) } ?? .null,
                "read_bytes": .integer(Int64(clamping: working?.read ?? 0)),
                "to_read_bytes": .integer(Int64(clamping: working?.of ?? 0)),
                "files": .integer(Int64(job.hours.reduce(0) { $0 + $1.files })),
                "records": .integer(Int64(clamping: job.hours.reduce(0) { $0 + $1.records })),
                "bytes": .integer(Int64(clamping: job.hours.reduce(0) { $0 + $1.bytes })),
                "log_bytes": .integer(Int64(clamping: job.hours.reduce(0) { $0 + $1.logBytes })),
                "hours": .array(Array(hours)),
            ]
        }
    }

    /// The `sealing` member of the `status` command's result.
    var json: JSONValue {
        state.withLock { state in
            [
                "state": .string(state.fault != nil ? "failing" : state.working != nil ? "sealing" : "idle"),
                "fault": state.fault.map { .string($0) } ?? .null,
                "failures": .integer(Int64(clamping: state.failures)),
                "working_on": state.working.map { .string(SealBoard.text(hour: $0.hour)) } ?? .null,
                "last_hour": state.lastHour.map { .string(SealBoard.text(hour: $0)) } ?? .null,
                "files": .integer(Int64(clamping: state.files)), "records": .integer(Int64(clamping: state.records)),
                "bytes": .integer(Int64(clamping: state.bytes)),
                "log_bytes": .integer(Int64(clamping: state.logBytes)),
                "kept_parts": .array(state.kept.map { .string($0) }),
                "stored_files": .integer(Int64(state.storedFiles)),
                "stored_bytes": .integer(Int64(clamping: state.storedBytes)),
                "removed_files": .integer(Int64(clamping: state.removedFiles)),
                "removed_bytes": .integer(Int64(clamping: state.removedBytes)),
            ]
        }
    }

    private static func json(_ hour: SealedHour) -> JSONValue {
        [
            "hour": .string(text(hour: hour.hour)), "files": .integer(Int64(hour.files)),
            "records": .integer(Int64(clamping: hour.records)), "bytes": .integer(Int64(clamping: hour.bytes)),
            "log_bytes": .integer(Int64(clamping: hour.logBytes)), "parts": .integer(Int64(hour.parts)),
            "kept_parts": .integer(Int64(hour.kept.count)),
        ]
    }

    /// `2026-01-30T14`, as in the names of parts.
    static func text(hour: Int64) -> String {
        let (nanos, overflow) = hour.multipliedReportingOverflow(by: 3_600_000_000_000)
        return overflow ? "\(hour)" : String(Timestamp.text(nanos, digits: 0).prefix(13))
    }

    // MARK: - Seal thread

    /// The waiting job, which runs from now on.
    func takeJob() -> Job? {
        state.withLock { state in
            guard let index = state.jobs.firstIndex(where: { $0.state == .waiting }) else { return nil }
            state.jobs[index].state = .running
            return state.jobs[index]
        }
    }

    /// Ends the running job, if there is one.
    func endJob(error: String? = nil) {
        state.withLock { state in
            for index in state.jobs.indices where state.jobs[index].state == .running {
                state.jobs[index].state = error == nil ? .done : .failed
                state.jobs[index].error = error
            }
        }
    }

    func note(hour: Int64, readBytes: UInt64, ofBytes: UInt64) {
        state.withLock { $0.working = (hour, readBytes, ofBytes) }
    }

    func note(sealed hour: SealedHour) {
        state.withLock { state in
            state.working = nil
            state.lastHour = max(state.lastHour ?? .min, hour.hour)
            state.files += UInt64(hour.files)
            state.records += hour.records
            state.bytes += hour.bytes
            state.logBytes += hour.logBytes
            state.kept = Array((state.kept + hour.kept.map { "\($0.part)" }).suffix(SealBoard.maxKept))
            for index in state.jobs.indices where state.jobs[index].state == .running {
                state.jobs[index].hours.append(hour)
            }
        }
    }

    func note(stored files: Int, bytes: UInt64, newestHour: Int64?) {
        let last = state.withLock { state in
            state.storedFiles = files
            state.storedBytes = bytes
            if let newestHour { state.lastHour = max(state.lastHour ?? .min, newestHour) }
            return state.lastHour
        }
        facts.set("SEALED", last.map { SealBoard.text(hour: $0) } ?? "")
        facts.set("SEALED_BYTES", "\(bytes)")
    }

    func note(removed files: Int, bytes: UInt64) {
        state.withLock {
            $0.removedFiles += UInt64(files)
            $0.removedBytes += bytes
        }
    }

    /// Sealing fails, or (nil) works again.
    func note(fault: String?) {
        state.withLock { state in
            state.fault = fault
            state.working = nil
            if fault != nil { state.failures += 1 }
        }
        facts.set("SEALING", fault.map { "failing: \($0)" } ?? "ok")
    }
}
