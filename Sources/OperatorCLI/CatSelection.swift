internal import Glibc
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The flags that the commands which read a recording share.
enum CatSelection {
    static let from = FlagSet.Flag(
        "from", value: "TIME", "from this time on (RFC 3339, or a duration before now such as 2h)")
    static let to = FlagSet.Flag("to", value: "TIME", "up to this time, exclusive")
    static let by = FlagSet.Flag(
        "by", value: "TIME",
        "what --from and --to mean: receive (default), when a live tick was received, or the gateway's time where the "
            + "clock was known to be wrong; or event, always the gateway's time")
    static let order = FlagSet.Flag("order", value: "ORDER", "time (default) or arrival, the order of keys")

    /// What the flags select.
    static func selection(
        _ command: String, _ flags: ParsedFlags, streams: Set<StreamID>? = nil
    ) throws(ProgramError) -> TickReader.Selection {
        var order = TickReader.Order.time
        if let text = flags.value("order") {
            guard let known = TickReader.Order(rawValue: text) else {
                throw ProgramError(.usage, "\(command): --order \(text): unknown order: use time or arrival")
            }
            order = known
        }
        var basis = TimeBasis.receive
        if let text = flags.value("by") {
            guard let known = TimeBasis(rawValue: text) else {
                throw ProgramError(.usage, "\(command): --by \(text): unknown time: use receive or event")
            }
            basis = known
        }
        let (from, to) = (try time(command, "from", flags), try time(command, "to", flags))
        try refuseBackwards(command, from, to)
        return TickReader.Selection(streams: streams, fromNanos: from, toNanos: to, basis: basis, order: order)
    }

    /// An interval that ends before it begins selects nothing: that is a slip, such as '--from 2h --to 3h'.
    static func refuseBackwards(_ command: String, _ from: Int64?, _ to: Int64?) throws(ProgramError) {
        guard let from, let to, from >= to else { return }
        throw ProgramError(
            .usage,
            "\(command): --from \(Timestamp.text(from, digits: 0)) is not before --to \(Timestamp.text(to, digits: 0))")
    }

    static func time(_ command: String, _ name: String, _ flags: ParsedFlags) throws(ProgramError) -> Int64? {
        guard let text = flags.value(name) else { return nil }
        if let nanos = Timestamp.parse(text, shortForms: true) { return nanos }
        if let nanos = DurationText.parse(text), nanos >= 0 { return realNanos() - nanos }
        throw ProgramError(
            .usage,
            "\(command): --\(name) \(text): not a time: write 2026-01-31T14:30:00Z, 2026-01-31 or a duration such as 2h"
        )
    }

    /// A stream by its written form.
    static func stream(_ command: String, _ text: String) throws(ProgramError) -> StreamID {
        guard let stream = StreamID(text) else {
            let kinds = TickKind.streamKinds.map { $0.name.description }
            let kind = text.prefix { $0 != "@" }.split(separator: ".").last.map(String.init) ?? ""
            let hint = Spelling.nearest(to: kind, in: kinds).map { "did you mean .\($0)? " } ?? ""
            throw ProgramError(
                .usage, "\(command): '\(text)' is no stream: \(hint)a stream is written like 711280073.bid_ask")
        }
        return stream
    }

    /// The recording that is meant: its state directory, and the configuration. Throws 66 when there is none.
    static func recording(
        _ command: String, _ context: OperatorContext
    ) throws(ProgramError) -> (state: String, configuration: Configuration, paths: Paths) {
        let (configuration, paths) = try context.locate()
        try refuseNoRecording(command, paths)
        return (paths.state, configuration, paths)
    }

    /// Throws 66 when there is neither a log nor a directory of segments, or one of them is a link to nothing.
    static func refuseNoRecording(_ command: String, _ paths: Paths) throws(ProgramError) {
        var there = 0
        for place in [paths.log, paths.ticks] {
            var status = stat()
            if stat(place, &status) == 0 {
                there += 1
                continue
            }
            let code = errno
            if code == EACCES { throw OperatorContext.denied("\(command): \(place): permission denied") }
            guard code == ENOENT else {
                throw ProgramError(.ioError, "\(command): \(place): \(errorText(code)): is the disk all right?")
            }
            guard lstat(place, &status) != 0 else {
                throw ProgramError(
                    .noInput, "\(command): \(place): a link to something that is not there: is the disk mounted?")
            }
        }
        guard there > 0 else {
            throw ProgramError(
                .noInput,
                "\(command): nothing is recorded in \(paths.state): start with 'ib-stream up' or name another --root")
        }
    }

    /// Reads a recording once and returns what is in it.
    static func account(
        _ command: String, _ verify: consuming Verify
    ) throws(ProgramError) -> (report: VerifyReport, account: RecordingAccount) {
        do throws(StoreError) {
            var progress = CatProgress(command, totalBytes: try verify.bytesTotal(), outputIsData: false)
            let result = try verify.runWithAccount { progress.update($0) }
            progress.finish()
            return result
        } catch {
            throw failure(command, error)
        }
    }

    /// A reader of a recording.
    static func reader(
        _ command: String, state: String, _ selection: TickReader.Selection
    ) throws(ProgramError) -> TickReader {
        do throws(StoreError) { return try TickReader(stateDirectory: state, selection) } catch {
            throw failure(command, error)
        }
    }

    /// A reader of one file.
    static func reader(
        _ command: String, file: String, _ selection: TickReader.Selection
    ) throws(ProgramError) -> TickReader {
        do throws(StoreError) { return try TickReader(file: file, selection) } catch { throw failure(command, error) }
    }

    /// The reader's next run.
    static func next(_ command: String, _ reader: inout TickReader) throws(ProgramError) -> TickReader.Run? {
        do throws(StoreError) { return try reader.next() } catch { throw failure(command, error) }
    }

    /// Bytes that a reader has before it.
    static func bytesTotal(_ command: String, _ reader: borrowing TickReader) throws(ProgramError) -> UInt64 {
        do throws(StoreError) { return try reader.bytesTotal() } catch { throw failure(command, error) }
    }

    /// A failure of the files as a program's last line.
    static func failure(_ command: String, _ error: StoreError) -> ProgramError {
        switch error {
        case .notALog, .notASegment:
            return ProgramError(
                command == "verify" ? .failure : .noInput, "\(command): \(error): name a part of the log or a segment")
        default: break
        }
        return switch error.code {
        case ENOENT: ProgramError(.noInput, "\(command): \(error): check the path")
        case EACCES, EPERM: OperatorContext.denied("\(command): \(error)")
        default: ProgramError(.ioError, "\(command): \(error): see 'ib-stream verify' and the disk's log")
        }
    }

    /// Says on standard error what could not be read. Returns the exit status: 0 if all could.
    static func report(_ command: String, _ findings: [LogFinding]) -> Int32 {
        for finding in findings {
            printError("ib-stream", "\(command): \(finding): passed over: see 'ib-stream verify'")
        }
        return findings.isEmpty ? ExitStatus.success.rawValue : ExitStatus.failure.rawValue
    }
}
