internal import Glibc
internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

let verifyCommand = Command(
    "verify", usage: "[PATH...]", "Checks every checksum, count and key; exit status 0 only if all is sound.",
    flags: [.init("json", "print one JSON object")], words: 0...1000,
    examples: [
        ("ib-stream verify", "the whole recording"),
        ("ib-stream verify /backup/ib-stream/state", "a copy of one"),
        ("ib-stream verify /var/lib/ib-stream/log/2026-01-30T14.0001.log", "one part of the log"),
        ("ib-stream verify /var/lib/ib-stream/ticks/711280073-MNQ", "all sealed hours of one contract"),
    ]
) { context throws(ProgramError) in
    var paths = context.flags.words
    if paths.isEmpty { paths = [try CatSelection.recording("verify", context).state] }
    let asJSON = context.flags.has("json")
    var writer = JSONWriter()
    var sound = true
    var reports: [(path: String, report: VerifyReport)] = []
    for path in paths {
        let report = try verify(path)
        sound = sound && report.isSound
        if asJSON { reports.append((path, report)) } else { printOut(VerifyText.text(path, report)) }
    }
    if asJSON {
        writer.object { writer in
            writer.field("sound", sound)
            writer.field("paths") { writer in
                writer.object { writer in
                    for (path, report) in reports { writer.field(path) { report.write(to: &$0) } }
                }
            }
        }
        printOut(String(decoding: writer.bytes, as: UTF8.self) + "\n")
    }
    return sound ? ExitStatus.success.rawValue : ExitStatus.failure.rawValue
}

/// Verifies a recording's root or state directory, a directory of parts, or one file.
private func verify(_ path: String) throws(ProgramError) -> VerifyReport {
    var status = stat()
    guard stat(path, &status) == 0 else {
        throw ProgramError(.noInput, "verify: \(path): \(errorText(errno)): check the path")
    }
    let isDirectory = status.st_mode & S_IFMT == S_IFDIR
    let state = isDirectory ? ["", "/state"].map { path + $0 }.first(where: isState) : nil
    let report: VerifyReport
    do throws(StoreError) {
        let verify =
            if let state { Verify(stateDirectory: state) } else if isDirectory {
                try Verify(directory: path)
            } else {
                try Verify(file: path)
            }
        report = try run(verify)
    } catch {
        throw CatSelection.failure("verify", error)
    }
    guard report.files > 0 || !isDirectory || state != nil else {
        throw ProgramError(
            .noInput, "verify: \(path): no parts of a log and no segments in it: name a recording's directory")
    }
    return report
}

private func run(_ verify: consuming Verify) throws(StoreError) -> VerifyReport {
    var progress = CatProgress("verify", totalBytes: try verify.bytesTotal(), outputIsData: false)
    let report = try verify.run { progress.update($0) }
    progress.finish()
    return report
}

/// True for a recorder's state directory.
private func isState(_ path: String) -> Bool {
    if access(path + "/log", F_OK) == 0 { return true }
    // A copy of the sealed segments alone: a directory of segments is not called `ticks` above another one.
    return access(path + "/ticks", F_OK) == 0
}
