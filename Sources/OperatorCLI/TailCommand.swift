internal import Glibc
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

let tailCommand = Command(
    "tail", usage: "[STREAM-PREFIX] [FLAGS]", "Shows live ticks as they come, until Ctrl-C.",
    flags: [
        FlagSet.Flag("format", value: "FORMAT", "text (default), csv or json, a line a tick"),
        FlagSet.Flag("count", value: "N", "end after N lines"),
        FlagSet.Flag("since", value: "TIME", "first what was recorded since then: not built yet"),
    ],
    words: 0...1,
    examples: [
        ("ib-stream tail", "every tick of every stream"),
        ("ib-stream tail 711280073.", "all kinds of one contract"),
        ("ib-stream tail 711280073.bid_ask --format csv --count 1000", "the next thousand quotes as CSV"),
    ]
) { context throws(ProgramError) in
    guard context.flags.value("since") == nil else {
        throw ProgramError(.usage, "tail --since: not built yet: use 'ib-stream cat' for what is recorded")
    }
    let name = context.flags.value("format") ?? "text"
    guard let format = TickText.Format(rawValue: name), format != .raw else {
        throw ProgramError(.usage, "tail --format \(name): unknown: use text, csv or json")
    }
    var limit = Int.max
    if let text = context.flags.value("count") {
        guard let count = Int(text), count > 0 else {
            throw ProgramError(.usage, "tail --count \(text): not a positive number")
        }
        limit = count
    }
    let (_, paths) = try context.locate()
    guard ServiceLock.isHeld(name: "ib-connector", paths: paths) else {
        throw ProgramError(
            .unavailable, "tail: the connector is not running in \(paths.runtime): start it with 'ib-stream up'")
    }
    do throws(MessagingError) {
        return try follow(paths, prefix: context.flags.words.first ?? "", TickText(format), limit: limit)
    } catch {
        throw ProgramError(.unavailable, "tail: \(error)")
    }
}

/// Prints what comes; a jump in a stream's numbers is said on standard error, since the live feed may drop.
private func follow(_ paths: Paths, prefix: String, _ text: TickText, limit: Int) throws(MessagingError) -> Int32 {
    let messages = try Context()
    var feed = try Subscriber(in: messages)
    try feed.subscribe("tick." + prefix)
    try feed.connect(Paths.endpoint(paths.ticksSocket))
    var text = text
    var out = TextBuffer()
    var last: [StreamID: TickKey] = [:]
    var left = limit
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Subscriber.tickPayloadBytes, alignment: 64)
    defer { buffer.deallocate() }
    guard printOut(text.header) else { return ExitStatus.success.rawValue }
    while left > 0 {
        guard let message = try feed.receive(into: buffer, timeoutMillis: -1) else { continue }
        let records = UnsafeRawBufferPointer(rebasing: buffer[..<message.payloadBytes]).bindMemory(to: Tick.self)
        guard let stream = records.first?.stream else { continue }
        reportJump(stream, from: last[stream], to: records[0].key)
        last[stream] = records[records.count - 1].key
        // A line is at least one record.
        left -= text.append(UnsafeBufferPointer(rebasing: records.prefix(left)), of: stream, to: &out)
        let isOpen = printOut(out.bytes)
        out.removeAll()
        // The reader went away, as `| head` does: that is the end, not a fault.
        guard isOpen else { break }
    }
    return ExitStatus.success.rawValue
}

private func reportJump(_ stream: StreamID, from last: TickKey?, to next: TickKey) {
    guard let last, next.epoch == last.epoch, next != last.next else { return }
    printError(
        "ib-stream", "tail: \(stream): \(next.seq - last.seq - 1) ticks did not come in time (they are recorded)")
}
