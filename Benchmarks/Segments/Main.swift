// How small sealed segments are and how fast they are written and read: `make bench-segments`.
//
// usage: SegmentBenchmark [CSV]    a file of ts_ns,kind,price,size,bid_price,ask_price,bid_size,ask_size; without
//                                  one, quotes are made up, the same each time

internal import Glibc
internal import TickStore
internal import Ticks

@main
enum Main {
    static func main() { exit(runSegmentBenchmark(Array(CommandLine.arguments.dropFirst()))) }
}

/// What is asked for: docs/decisions.md#sealed-quotes-have-a-size-that-is-held. A missed size, or a tick that is not
/// read back as it was, ends with status 1; a missed rate is only printed, since a busy machine has others.
private let mostBytesATick = 7.0
private let leastReadTicksPerSecond = 20_000_000.0
/// 20 times a market of 20,000 ticks/s.
private let leastSealTicksPerSecond = 400_000.0

private func runSegmentBenchmark(_ arguments: [String]) -> Int32 {
    let name: String
    let quotes: [Tick]
    if let path = arguments.first {
        guard let found = readQuotes(path), found.count > 1 else {
            print("segments: no quotes in \(path): name a file of quotes, or none")
            return 66
        }
        (name, quotes) = ("real quotes of \(path)", found)
    } else {
        (name, quotes) = ("quotes made up with seed \(madeUpSeed)", madeUpQuotes(count: 200_000))
    }
    do throws(StoreError) { return try measure(name, quotes) } catch {
        print("segments: \(error)")
        return 1
    }
}

private let stream = StreamID(conId: 637_533_641, kind: .bidAsk)
private let definition = Array(
    #"{"con_id":637533641,"symbol":"ES","sec_type":"FUT","exchange":"CME","currency":"USD","min_tick":"0.25","multiplier":"50"}"#
        .utf8)

private func measure(_ name: String, _ quotes: [Tick]) throws(StoreError) -> Int32 {
    let folder = "/tmp/ib-stream-segments-\(getpid())"
    guard mkdir(folder, 0o700) == 0 else { throw .system(call: "mkdir", path: folder, code: errno) }
    defer {
        for name in ["real", "long"] { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }
    _ = try seal("\(folder)/real", quotes)
    let bytesATick = Double(size("\(folder)/real")) / Double(quotes.count)
    let isWhole = try readsAsWritten("\(folder)/real", quotes)
    print("\(name): \(quotes.count) ticks: \(two(bytesATick)) bytes a tick, header and footer included")

    // For the rates as many ticks as an hour may have, each step of all columns drawn from these.
    let long = resampled(quotes, count: 4_000_000)
    var sealed: [Double] = []
    var read: [Double] = []
    for _ in 0..<5 {
        sealed.append(try seconds(CLOCK_MONOTONIC) { () throws(StoreError) in try seal("\(folder)/long", long) })
        read.append(
            try seconds(CLOCK_THREAD_CPUTIME_ID) { () throws(StoreError) in try readBack("\(folder)/long", long) })
    }
    let sealRate = Double(long.count) / sealed.sorted()[2]
    let readRate = Double(long.count) / read.sorted()[2]
    let longBytes = Double(size("\(folder)/long")) / Double(long.count)
    print("resampled: \(long.count) ticks: \(two(longBytes)) bytes a tick (the records themselves: 64)")
    print("sealed (encoded, hashed, written, fsynced): \(two(sealRate / 1e6)) million ticks/s, one thread, median of 5")
    print("read back (checked, decoded): \(two(readRate / 1e6)) million ticks/s of one core's time, median of 5")
    let isSmall = bytesATick <= mostBytesATick
    let marks = [
        ("every tick is read back as it was", isWhole), ("at most 7 bytes a tick", isSmall),
        ("at least 20,000,000 ticks/s read back", readRate >= leastReadTicksPerSecond),
        ("at least 20 x 20,000 ticks/s sealed", sealRate >= leastSealTicksPerSecond),
    ]
    for (what, holds) in marks { print("mark: \(what): \(holds ? "held" : "missed")") }
    return isWhole && isSmall ? 0 : 1
}

private func seal(_ path: String, _ ticks: [Tick]) throws(StoreError) {
    var writer = try SegmentWriter(temporary: path, stream: stream, definition: definition)
    var start = 0
    while start < ticks.count {
        // As they come out of a block of the log.
        let end = min(start + 4096, ticks.count)
        let failure: StoreError? = ticks[start..<end].withUnsafeBufferPointer { run in
            do throws(StoreError) {
                try writer.append(run)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        start = end
    }
    _ = try writer.finish()
}

private func readBack(_ path: String, _ ticks: [Tick]) throws(StoreError) {
    var reader = try SegmentReader(path)
    var count = 0
    while let run = try reader.next() {
        precondition(run[0] == ticks[count] && run[run.count - 1] == ticks[count + run.count - 1], "what was written")
        count += run.count
    }
    precondition(count == ticks.count, "as many as were written")
}

private func readsAsWritten(_ path: String, _ ticks: [Tick]) throws(StoreError) -> Bool {
    var reader = try SegmentReader(path)
    var rest = ticks[...]
    while let run = try reader.next() {
        guard rest.starts(with: run) else { return false }
        rest = rest.dropFirst(run.count)
    }
    return rest.isEmpty
}

/// A file that was just written is read from memory: CPU time is all that it takes, whatever else the machine does.
private func seconds(_ clock: clockid_t, _ work: () throws(StoreError) -> Void) throws(StoreError) -> Double {
    var start = timespec()
    clock_gettime(clock, &start)
    try work()
    var end = timespec()
    clock_gettime(clock, &end)
    return Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9
}

private func size(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

/// Two digits behind the point.
private func two(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
}

/// The file's quotes as the connector records them: TWS time in whole seconds, receive time in
/// nanoseconds. Nil when the file is not there.
private func readQuotes(_ path: String) -> [Tick]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var room = 0
    defer { free(line) }
    var ticks: [Tick] = []
    while getline(&line, &room, file) > 0, let line {
        let cells = String(cString: line).split(separator: "\n")[0].split(
            separator: ",", omittingEmptySubsequences: false)
        guard cells.count == 8, cells[1] == "bid_ask", let nanos = Int64(cells[0]) else { continue }
        let numbers = cells[4...].map { units(String($0)) }
        ticks.append(
            Tick(
                key: TickKey(epoch: 1_719_878_000, seq: UInt32(ticks.count + 1)),
                tsEventNanos: nanos / 1_000_000_000 * 1_000_000_000, tsRecvNanos: nanos, conId: stream.conId,
                kind: .bidAsk, body: TickBody(numbers[0], numbers[1], numbers[2], numbers[3])))
    }
    return ticks
}

/// Exact decimal text in units of 1e-9.
private func units(_ text: String) -> Int64 {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count > 1 ? String(parts[1]) : ""
    let digits = fraction + String(repeating: "0", count: max(0, 9 - fraction.utf8.count))
    return (Int64(parts[0]) ?? 0) * 1_000_000_000 + (Int64(digits) ?? 0)
}

private let madeUpSeed: UInt64 = 7

/// An index future in a busy hour: half of the quotes change a size alone, the others move one or both prices by a step
/// or two of 0.25; they come in bursts, with the clock's nanoseconds.
private func madeUpQuotes(count: Int) -> [Tick] {
    var generator = SplitMix64(seed: madeUpSeed)
    func below(_ limit: UInt64) -> Int64 { Int64(generator.next() % limit) }
    let step: Int64 = 250_000_000
    var bid: Int64 = 5_528_500_000_000
    var (spread, bidSize, askSize): (Int64, Int64, Int64) = (step, 29, 6)
    var nanos: Int64 = 1_719_878_281_218_485_389
    return (0..<count).map { index in
        nanos += below(4) == 0 ? 1_000_000 + below(60_000_000) : 20_000 + below(2_000_000)
        switch below(8) {
        case 0: bid += step * (below(2) * 2 - 1)
        case 1: bid += step * (below(5) - 2)
        case 2: spread = step * (1 + below(8) / 7)
        default: break
        }
        if below(2) == 0 { bidSize = 1 + below(60) } else { askSize = 1 + below(60) }
        return Tick(
            key: TickKey(epoch: 1_719_878_000, seq: UInt32(index + 1)),
            tsEventNanos: nanos / 1_000_000_000 * 1_000_000_000, tsRecvNanos: nanos, conId: stream.conId, kind: .bidAsk,
            body: TickBody(bid, bid + spread, bidSize * 1_000_000_000, askSize * 1_000_000_000))
    }
}

/// A long walk whose steps are drawn from the given ones at random: as hard to compress, but no repetition.
private func resampled(_ quotes: [Tick], count: Int) -> [Tick] {
    var generator = SplitMix64(seed: 1)
    var ticks = [quotes[0]]
    ticks.reserveCapacity(count)
    var bid = Int64(bitPattern: quotes[0].body.word0)
    var nanos = quotes[0].tsRecvNanos
    while ticks.count < count {
        let at = Int(generator.next() % UInt64(quotes.count - 1)) + 1
        let (before, now) = (quotes[at - 1], quotes[at])
        nanos += now.tsRecvNanos - before.tsRecvNanos
        bid += Int64(bitPattern: now.body.word0 &- before.body.word0)
        let spread = Int64(bitPattern: now.body.word1 &- now.body.word0)
        ticks.append(
            Tick(
                key: ticks[ticks.count - 1].key.next, tsEventNanos: nanos / 1_000_000_000 * 1_000_000_000,
                tsRecvNanos: nanos, conId: stream.conId, kind: .bidAsk,
                body: TickBody(bid, bid + spread, Int64(bitPattern: now.body.word2), Int64(bitPattern: now.body.word3)))
        )
    }
    return ticks
}
