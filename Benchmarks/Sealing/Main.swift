internal import Glibc
internal import TickStore
internal import Ticks

/// How fast an hour is sealed, how small it becomes, and how much memory that takes.
///
///     seal-benchmark DIRECTORY STREAMS TICKS [HOURS]
///
/// Writes a log of STREAMS streams with TICKS quotes in all into DIRECTORY/log (in the order in which a recorder
/// commits them), seals it, and prints one line of JSON. Exits with 1 when that took more memory than sealing may
/// have, or when not every tick was sealed.
///
/// With HOURS it then gives the sealed files names of that many hours (as links: the look does not
/// read them), makes the list of them all, looks at them as a recorder does each hour, and fails when
/// that took more memory than it may have.
@main enum Main {
    static func main() { exit(run(Array(CommandLine.arguments.dropFirst()))) }
}

/// What sealing may take, whatever the number of streams.
private let memoryBoundMiB = 256
/// What the look at all sealed files may take, whatever their number.
private let lookBoundMiB = 64

private final class Quiet: SealObserver {
    let shouldStop = false
    func reach(_ step: SealStep) {}
    func work<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) { try body() }
    func note(readBytes: UInt64, ofBytes: UInt64) {}
}

private func seconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

/// Processor time of the process so far.
private func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

private func run(_ arguments: [String]) -> Int32 {
    let hours = arguments.count == 4 ? Int64(arguments[3]) : 1
    guard (3...4).contains(arguments.count), let hours, hours > 0, let streams = Int(arguments[1]),
        let ticks = Int(arguments[2]), streams > 0
    else {
        print("usage: seal-benchmark DIRECTORY STREAMS TICKS [HOURS]")
        return 64
    }
    do throws(StoreError) {
        try write(arguments[0] + "/log", streams: streams, ticks: ticks)
        try SealedFiles(stateDirectory: arguments[0], opensAll: false).bringList()
        let parts = try SealPart.list(arguments[0] + "/log")
        let sealer = HourSealer(stateDirectory: arguments[0], observer: Quiet()) { _ in
            HourSealer.Identity(symbol: "X", definition: [])
        }
        let before = residentBytes()
        let started = seconds()
        let startedCPU = cpuSeconds()
        guard let hour = SealPlan.hours(parts: parts, reach: .beforeNewestPart, nowHour: 0).first,
            let sealed = seal(sealer, hour)
        else { return 1 }
        let took = seconds() - started
        let worked = cpuSeconds() - startedCPU
        let rate = Double(sealed.records) / took
        let memoryMiB = (residentBytes() - before) >> 20
        print(
            "{\"streams\":\(streams),\"ticks\":\(sealed.records),\"seconds\":\(took),\"cpu_seconds\":\(worked),\"ticks_per_second\":\(Int(rate)),"
                + "\"times_real_time_at_20000\":\(Int(rate / 20_000)),\"bytes_per_tick\":"
                + "\(Double(sealed.bytes) / Double(sealed.records)),\"files\":\(sealed.files),"
                + "\"peak_memory_mib\":\(memoryMiB)}")
        guard sealed.records == UInt64(ticks), sealed.files == streams else {
            print("FAILED: \(sealed.records) ticks in \(sealed.files) files were sealed of \(ticks) in \(streams)")
            return 1
        }
        guard memoryMiB <= memoryBoundMiB else {
            print("FAILED: sealing \(streams) streams took \(memoryMiB) MiB, above its bound of \(memoryBoundMiB) MiB")
            return 1
        }
        return hours == 1 ? 0 : try look(arguments[0], streams: streams, hours: hours)
    } catch {
        print("\(error)")
        return 74
    }
}

/// Makes more hours of the sealed files, lists them, and looks at them.
private func look(_ directory: String, streams: Int, hours: Int64) throws(StoreError) -> Int32 {
    let ticks = directory + "/ticks"
    for name in try SegmentName.list(ticksDirectory: ticks) {
        for hour in 1..<hours {
            let other = SegmentName(stream: name.stream, symbol: name.symbol, hour: name.hour - hour).path(in: ticks)
            var day = other[..<(other.lastIndex(of: "/") ?? other.startIndex)]
            var missing: [Substring] = []
            while access(String(day), F_OK) != 0, let slash = day.lastIndex(of: "/") {
                missing.append(day)
                day = day[..<slash]
            }
            for path in missing.reversed() { _ = mkdir(String(path), 0o750) }
            guard link(name.path(in: ticks), other) == 0 else {
                throw .system(call: "link", path: other, code: errno)
            }
        }
    }
    let before = residentBytes(peak: false)
    // So that the peak is that of what comes.
    let reset = open("/proc/self/clear_refs", O_WRONLY)
    guard write(reset, "5", 1) == 1 else { throw .system(call: "write", path: "/proc/self/clear_refs", code: errno) }
    close(reset)
    var started = seconds()
    try SealedFiles(stateDirectory: directory, opensAll: false).bringList()
    let listing = seconds() - started
    started = seconds()
    let files = try SealedFiles(stateDirectory: directory, opensAll: false)
    let looking = seconds() - started
    let memoryMiB = (residentBytes(peak: true) - before) >> 20
    print(
        "{\"sealed_files\":\(Int64(streams) * hours),\"listing_seconds\":\(listing),\"look_seconds\":\(looking),"
            + "\"look_peak_memory_mib\":\(memoryMiB)}")
    guard files.damage.isEmpty, files.goneCount == 0, files.unlistedCount == 0 else {
        print("FAILED: \(files.damage.first ?? "files are not listed")")
        return 1
    }
    guard memoryMiB <= lookBoundMiB else {
        print("FAILED: the look took \(memoryMiB) MiB, above its bound of \(lookBoundMiB) MiB")
        return 1
    }
    return 0
}

/// Resident memory of the process as the kernel tells it now: its peak, or what there is.
private func residentBytes(peak: Bool) -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    let name = peak ? "VmHWM:" : "VmRSS:"
    while fgets(&line, 256, file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard text.hasPrefix(name) else { continue }
        return (Int(text.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "") ?? 0) << 10
    }
    return 0
}

private func seal(_ sealer: HourSealer, _ hour: SealHour) -> SealedHour? {
    do throws(SealError) { return try sealer.seal(hour) } catch {
        print("\(error)")
        return nil
    }
}

/// The greatest resident memory of the process so far.
private func residentBytes() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Int(usage.ru_maxrss) << 10
}

/// Quotes that walk, a few streams at a time, in commits of 2,000 ticks.
private func write(_ directory: String, streams: Int, ticks: Int) throws(StoreError) {
    let recovery = try LogRecovery(directory: directory)
    var log = OpenLog(directory: directory, recovery: recovery)
    var random = SplitMix64(seed: 7)
    var seqs = [UInt32](repeating: 0, count: streams)
    var prices = [Int64](repeating: 20_000_000_000_000, count: streams)
    var block: [Tick] = []
    let start: Int64 = 1_767_225_600_000_000_000
    try log.beginPart(nowNanos: start)
    for index in 0..<ticks {
        let slot = index % streams
        seqs[slot] += 1
        prices[slot] += Int64(random.next() % 3) * 250_000_000 - 250_000_000
        let now = start + Int64(index) * 50_000
        block.append(
            Tick(
                key: TickKey(epoch: 100, seq: seqs[slot]), tsEventNanos: now / 1_000_000_000 * 1_000_000_000,
                tsRecvNanos: now + Int64(random.next() % 20_000), conId: Int32(slot + 1), kind: .bidAsk,
                body: QuoteBody(
                    bidPrice: prices[slot], askPrice: prices[slot] + 250_000_000,
                    bidSize: Int64(random.next() % 40) * 1_000_000_000,
                    askSize: Int64(random.next() % 40) * 1_000_000_000
                ).body))
        guard block.count == 2_000 || index == ticks - 1 else { continue }
        if log.needsPart(nowNanos: start) { try log.beginPart(nowNanos: start) }
        let outcome = block.withUnsafeBytes { bytes in
            withUnsafePointer(to: bytes) { piece -> Result<Void, StoreError> in
                do throws(StoreError) {
                    return .success(try log.append(UnsafeBufferPointer(start: piece, count: 1)))
                } catch { return .failure(error) }
            }
        }
        try outcome.get()
        block.removeAll(keepingCapacity: true)
    }
    try log.beginPart(nowNanos: start)
}
