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
        ("ib-stream verify 2026-01-30T14.0001.log", "one file"),
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
    let state = ["", "/state"].map { path + $0 }.first { access($0 + "/log", F_OK) == 0 }
    let report = try run(
        !isDirectory ? Verify(file: path) : state.map { Verify(stateDirectory: $0) } ?? Verify(directory: path))
    guard report.files > 0 || !isDirectory || state != nil else {
        throw ProgramError(.noInput, "verify: \(path): no parts of a log in it: name a recording's directory")
    }
    return report
}

private func run(_ verify: consuming Verify) throws(ProgramError) -> VerifyReport {
    do throws(StoreError) {
        var progress = CatProgress("verify", totalBytes: try verify.bytesTotal(), outputIsData: false)
        let report = try verify.run { progress.update($0) }
        progress.finish()
        return report
    } catch {
        throw CatSelection.failure("verify", error)
    }
}
