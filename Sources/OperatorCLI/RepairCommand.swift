internal import Glibc
internal import ServiceKit
internal import TickStore

let repairCommand = Command(
    "repair", usage: "[--acknowledge] [DIR]",
    "Rebuilds what is damaged, writes down what is lost; exit status 0 only if no damage ever cost anything.",
    flags: [
        FlagSet.Flag("acknowledge", "repair nothing: you know of the destroyed data that turns health red")
    ],
    words: 0...1,
    examples: [
        ("ib-stream repair", "the whole recording; the recorder must be stopped"),
        ("ib-stream repair --acknowledge", "health may be green again; the recorder may be running"),
        ("ib-stream repair /backup/ib-stream/state", "a copy of one"),
    ]
) { context throws(ProgramError) in
    let paths = try repairPaths(context)
    if context.flags.has("acknowledge") { return try acknowledge(paths) }
    let lock = try recordersLock(paths)
    let report = try repaired(paths, journalDirectory: try journal(context))
    if report.verified.isSound { try clearNotes(paths) }
    _ = consume lock
    guard !report.verified.isEmpty || !report.actions.isEmpty else {
        throw ProgramError(.noInput, "repair: nothing is recorded in \(paths.state): check the path")
    }
    printOut(RepairText.text(paths.state, report))
    return report.isWhole ? ExitStatus.success.rawValue : ExitStatus.failure.rawValue
}

/// The recording that is meant; of a copy that is named, state and runtime directory are the same.
private func repairPaths(_ context: OperatorContext) throws(ProgramError) -> Paths {
    if let word = context.flags.words.first {
        let state = try RecordingPath.state("repair", word)
        return Paths(state: state, runtime: state)
    }
    let paths = try CatSelection.recording("repair", context).paths
    try paths.makeDirectories()
    return paths
}

/// Whoever holds it writes; the recorder itself takes the same two locks.
private func recordersLock(_ paths: Paths) throws(ProgramError) -> ServiceLock {
    do throws(ProgramError) { return try ServiceLock(name: "ib-recorder", paths: paths) } catch {
        guard error.status == .configuration else { throw error }
        let pid = ServiceLock.holder(name: "ib-recorder", paths: paths).map { " (pid \($0.pid))" } ?? ""
        throw ProgramError(.configuration, "repair: \(paths.state): ib-recorder is running\(pid): stop it first")
    }
}

/// The journal that may still have what a file has lost; a copy that is named has none.
private func journal(_ context: OperatorContext) throws(ProgramError) -> String? {
    guard context.flags.words.isEmpty else { return nil }
    let place = try context.locate()
    return place.paths.journal(place.configuration)
}

/// Says what was open, and that it is known now.
private func acknowledge(_ paths: Paths) throws(ProgramError) -> Int32 {
    do throws(FileError) {
        let places = try DamageNotes(state: paths.state).acknowledge()
        let lines = places.map { "acknowledged: \($0.text), found \($0.time)\n" }.joined()
        let text = lines.isEmpty ? "nothing to acknowledge\n" : lines
        return printOut(text) ? ExitStatus.success.rawValue : ExitStatus.ioError.rawValue
    } catch {
        throw ProgramError(error.code == EACCES ? .permission : .ioError, "repair: \(error)")
    }
}

/// What was noted is repaired.
private func clearNotes(_ paths: Paths) throws(ProgramError) {
    do throws(FileError) { try DamageNotes(state: paths.state).clear() } catch {
        throw ProgramError(.ioError, "repair: \(error)")
    }
}

/// The greatest epoch that was begun, where nobody goes on with it; nil: a connector runs.
private func endedEpoch(_ paths: Paths) throws(ProgramError) -> UInt32? {
    guard !ServiceLock.isHeld(name: "ib-connector", paths: paths) else { return nil }
    do throws(FileError) { return try EpochFile.read(in: paths.state) ?? 0 } catch {
        throw ProgramError(error.code == EACCES ? .permission : .ioError, "repair: \(error)")
    }
}

private func repaired(_ paths: Paths, journalDirectory: String?) throws(ProgramError) -> RepairReport {
    let endedEpoch = try endedEpoch(paths)
    do throws(StoreError) {
        return try Repair(
            stateDirectory: paths.state, nowNanos: realNanos(), journalDirectory: journalDirectory,
            endedEpoch: endedEpoch
        ).run()
    } catch {
        throw CatSelection.failure("repair", error)
    }
}

/// The report of `repair` for people: what was done, what is lost, the verdict last.
enum RepairText {
    static func text(_ path: String, _ report: RepairReport) -> String {
        var text = report.actions.map { "repaired: \($0.path): \($0.what)\n" }.joined()
        text += report.lost.map { "lost: \($0)\n" }.joined()
        if report.moreLost > 0 { text += "lost: \(report.moreLost) ranges more\n" }
        text += report.unknown.map { "lost: \($0): which keys stood there is not known\n" }.joined()
        let kept = report.actions.isEmpty ? "" : ": damaged files are kept as *.damaged"
        if !report.verified.isSound { return text + "\(path): NOT SOUND: see 'ib-stream verify'\(kept)\n" }
        return text + "\(path): sound: \(UInt64(report.lost.count) + report.moreLost) ranges lost to damage\(kept)\n"
    }
}
