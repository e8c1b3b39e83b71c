internal import Glibc
internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

let verifyCommand = Command(
    "verify", usage: "[PATH...]",
    "Reads every recording at or below a path, checks every checksum, count and key; exit status 0 only if all is sound.",
    flags: [.init("json", "print one JSON object")], words: 0...1000,
    examples: [
        ("ib-stream verify", "the whole recording"),
        ("ib-stream verify /backup/ib-stream", "every recording below a directory, each by itself"),
        ("ib-stream verify /var/lib/ib-stream/log/2026-01-30T14.0001.log", "one part of the log"),
        ("ib-stream verify /var/lib/ib-stream/ticks/711280073-MNQ", "all sealed hours of one contract"),
    ]
) { context throws(ProgramError) in
    let asJSON = context.flags.has("json")
    var reports: [VerifiedPath] = []
    func take(_ verified: VerifiedPath) {
        reports.append(verified)
        if !asJSON { printOut(VerifyText.text(verified)) }
    }
    if context.flags.words.isEmpty {
        take(try verifyOwnRecording(context))
    } else {
        for path in context.flags.words { try verify(path, take) }
    }
    if asJSON {
        printOut(VerifyText.json(reports))
    } else if reports.count > 1 {
        printOut(VerifyText.summary(reports))
    }
    return (reports.allSatisfy(\.report.isSound) ? ExitStatus.success : .failure).rawValue
}

/// What was read as one, and what was found.
struct VerifiedPath {
    let path: String
    /// True for a recorder's state directory.
    let isRecording: Bool
    let report: VerifyReport
}

/// The recording that the flags mean, and no other.
private func verifyOwnRecording(_ context: OperatorContext) throws(ProgramError) -> VerifiedPath {
    let state = try CatSelection.recording("verify", context).state
    let report = try run { Verify(stateDirectory: state) }
    guard !report.isEmpty else {
        throw ProgramError(.noInput, "verify: nothing is recorded in \(state): see 'ib-stream status'")
    }
    return VerifiedPath(path: state, isRecording: true, report: report)
}

/// Verifies one file, or all that belongs to recordings at or below a directory: each recording, each log, each tree of
/// segments by itself. Throws 66 when there is no record in all of it: nothing was proved then.
private func verify(_ path: String, _ take: (VerifiedPath) -> Void) throws(ProgramError) {
    guard try RecordingPath.isDirectory("verify", path) else {
        return take(
            VerifiedPath(
                path: path, isRecording: false, report: try run { () throws(StoreError) in try Verify(file: path) }))
    }
    var isEmpty = true
    for found in try RecordingPath.found("verify", under: path) {
        let report = try run { Verify(found) }
        isEmpty = isEmpty && report.isEmpty
        take(VerifiedPath(path: found.path, isRecording: found.isRecording, report: report))
    }
    guard !isEmpty else {
        throw ProgramError(
            .noInput, "verify: \(path): nothing is recorded in it: no recording, no log and no segments: check the path"
        )
    }
}

private func run(_ make: () throws(StoreError) -> Verify) throws(ProgramError) -> VerifyReport {
    do throws(StoreError) {
        let verify = try make()
        var progress = CatProgress("verify", totalBytes: try verify.bytesTotal(), outputIsData: false)
        let report = try verify.run { progress.update($0) }
        progress.finish()
        return report
    } catch {
        throw CatSelection.failure("verify", error)
    }
}
