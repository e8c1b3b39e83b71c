internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import Synchronization
internal import Ticks

/// What the recorder has said to be durable, for the journal: it keeps what is not. Written by the
/// `durable` thread, read by the session thread.
final class DurableBoard: Sendable {
    private let state: Mutex<[StreamID: TickKey]?>

    /// - keys: what an earlier run kept; nil: nobody has ever said anything.
    init(_ keys: [StreamID: TickKey]?) { state = Mutex(keys) }

    /// The newest durable key of every stream that was ever named; nil: no report was ever heard.
    var keys: [StreamID: TickKey]? { state.withLock { $0 } }

    func take(_ report: DurableReport) {
        state.withLock { keys in
            var merged = keys ?? [:]
            for entry in report.entries { merged[entry.stream] = entry.key }
            keys = merged
        }
    }
}

/// The file beside the journal's segments that outlives a connector: the recorder's last full report.
struct DurableNote {
    private static let maxBytes = Subscriber.longestPayloadBytes
    private let path: String

    init(journalDirectory: String) { path = journalDirectory + "/durable" }

    /// What an earlier run kept. A note that can't be read is none: then the oldest
    /// segments go first, as without a recorder.
    func read() -> [StreamID: TickKey]? {
        do {
            let bytes = try Files.read(path, maxBytes: Self.maxBytes)
            let json = try bytes.withUnsafeBytes { try JSONValue(parsing: $0, maxBytes: Self.maxBytes) }
            let entries = try DurableReport(json).entries
            return Dictionary(entries.map { ($0.stream, $0.key) }) { first, _ in first }
        } catch let error as FileError where error.isMissing {
            return nil
        } catch {
            log(.warning, "the note of what is durable can't be read", ["path": path, "why": "\(error)"])
            return nil
        }
    }

    func write(_ report: [UInt8]) throws(FileError) { try Files.writeAtomically(report, to: path, sync: false) }
}

/// The `durable` thread: listens to the recorder's reports. Once a second is enough: what became durable
/// a moment ago stays in the journal a moment longer. Of a second's reports the longest, which is the
/// one of all streams, and the last count.
func runDurable(
    _ task: TaskContext, context: Context, paths: Paths, board: DurableBoard, note: DurableNote
) throws {
    var subscriber = try Subscriber(in: context)
    try subscriber.subscribe(DurableReport.topic.description)
    try subscriber.connect(Paths.endpoint(paths.durableSocket))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Subscriber.longestPayloadBytes, alignment: 16)
    defer { buffer.deallocate() }
    var isKept = true
    while !task.stop.wait(millis: 500) {
        task.progress.advance()
        let (longest, last) = try receiveReports(subscriber, buffer)
        guard let longest else { continue }
        do {
            board.take(try report(longest))
            if let last { board.take(try report(last)) }
            try note.write(longest)
            isKept = true
        } catch {
            // The next report comes in a second.
            if isKept { log(.warning, "what is durable can't be taken over", ["why": "\(error)"]) }
            isKept = false
        }
    }
}

/// What has come since the last look: the longest report, and the one behind it that came last, if any.
private func receiveReports(
    _ subscriber: borrowing Subscriber, _ buffer: UnsafeMutableRawBufferPointer
) throws(MessagingError) -> (longest: [UInt8]?, last: [UInt8]?) {
    var longest: [UInt8]?
    var last: [UInt8]?
    // As many as the queue holds, at most.
    for _ in 0..<Publisher.highWaterMark {
        do throws(MessagingError) {
            guard let received = try subscriber.receive(into: buffer, timeoutMillis: 0) else { break }
            let bytes = Array(buffer[..<received.payloadBytes])
            if bytes.count >= longest?.count ?? 0 {
                longest = bytes
                last = nil
            } else {
                last = bytes
            }
        } catch {
            if error.code == .contextClosed { throw error }
        }
    }
    return (longest, last)
}

private func report(_ bytes: [UInt8]) throws -> DurableReport {
    try DurableReport(
        bytes.withUnsafeBytes { try JSONValue(parsing: $0, maxBytes: Subscriber.longestPayloadBytes) })
}
