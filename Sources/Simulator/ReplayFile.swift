internal import Glibc
internal import Ticks

/// Real ticks of one contract, read from CSV: `ts_ns,kind,price,size,bid_price,ask_price,bid_size,ask_size`, `kind` one
/// of `last` and `bid_ask`, numbers exact decimals, times (ns since the Unix epoch) never falling.
struct ReplayFile: Sendable {
    struct Row: Sendable, Equatable {
        var timeNanos: Int64
        var tick: MarketTick
    }

    /// Largest file that is read, in bytes.
    static let limitBytes = 1 << 30
    static let header = "ts_ns,kind,price,size,bid_price,ask_price,bid_size,ask_size"

    private(set) var rows: [Row] = []
    /// The kinds that occur in the file.
    private(set) var kinds: Set<TickKind> = []

    /// Parses the whole text; throws with the line number of the first row that is not as described.
    init(parsing text: UnsafeBufferPointer<UInt8>) throws(ReplayError) {
        var lines = LineCursor(text: text)
        guard let first = lines.next(), String(decoding: first, as: UTF8.self) == ReplayFile.header else {
            throw .badHeader
        }
        while let line = lines.next() {
            guard !line.isEmpty else { continue }
            guard let row = ReplayFile.parse(line) else {
                throw .badRow(line: lines.number, text: String(decoding: line.prefix(120), as: UTF8.self))
            }
            guard rows.last.map({ $0.timeNanos <= row.timeNanos }) ?? true else {
                throw .timeFalls(line: lines.number)
            }
            kinds.insert(row.tick.kind)
            rows.append(row)
        }
        guard !rows.isEmpty else { throw .empty }
    }

    /// Reads and parses a file; throws `cannotRead` with errno when it cannot be read.
    init(path: String) throws(ReplayError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .cannotRead(errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            let had = bytes.count
            guard had < ReplayFile.limitBytes else { throw .tooLarge }
            bytes.append(contentsOf: repeatElement(0, count: 1 << 20))
            let got = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + had, 1 << 20) }
            bytes.removeLast((1 << 20) - max(0, got))
            if got < 0, errno != EINTR { throw .cannotRead(errno) }
            if got == 0 { break }
        }
        // Out of the closure as a value: its errors are typed here, not there.
        let outcome = bytes.withUnsafeBufferPointer { text -> Result<ReplayFile, ReplayError> in
            do throws(ReplayError) { return .success(try ReplayFile(parsing: text)) } catch { return .failure(error) }
        }
        self = try outcome.get()
    }

    /// The greatest step that all prices are multiples of: the best guess of an unknown contract's price step.
    var commonPriceStep: Int64 {
        var step: UInt64 = 0
        for row in rows {
            step = ReplayFile.greatestCommonDivisor(step, Int64(bitPattern: row.tick.body.word0).magnitude)
            if row.tick.kind == .bidAsk {
                step = ReplayFile.greatestCommonDivisor(step, Int64(bitPattern: row.tick.body.word1).magnitude)
            }
        }
        return Int64(clamping: max(step, 1))
    }

    private static func greatestCommonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }

    private static func parse(_ line: UnsafeBufferPointer<UInt8>) -> Row? {
        let fields = line.split(separator: 0x2C, omittingEmptySubsequences: false)
        guard fields.count == 8, let time = Int64(String(decoding: fields[0], as: UTF8.self)), time >= 0,
            let seconds = UInt32(exactly: time / 1_000_000_000)
        else { return nil }
        func number(_ index: Int) -> Int64? {
            guard let value = FixedPoint.parse(UnsafeBufferPointer(rebasing: fields[index])), value.exact else {
                return nil
            }
            return value.units
        }
        func areEmpty(_ range: Range<Int>) -> Bool { fields[range].allSatisfy { $0.isEmpty } }
        switch String(decoding: fields[1], as: UTF8.self) {
        case "last":
            guard let price = number(2), let size = number(3), areEmpty(4..<8) else { return nil }
            return Row(timeNanos: time, tick: MarketTick(kind: .last, seconds: seconds, body: TickBody(price, size)))
        case "bid_ask":
            guard areEmpty(2..<4), let bid = number(4), let ask = number(5), let bidSize = number(6),
                let askSize = number(7)
            else { return nil }
            let body = TickBody(bid, ask, bidSize, askSize)
            return Row(timeNanos: time, tick: MarketTick(kind: .bidAsk, seconds: seconds, body: body))
        default: return nil
        }
    }
}

/// Why a replay file cannot be played.
enum ReplayError: Error, Equatable {
    case cannotRead(Int32)
    case tooLarge
    case badHeader
    case badRow(line: Int, text: String)
    case timeFalls(line: Int)
    case empty
}

extension ReplayError: CustomStringConvertible {
    var description: String {
        switch self {
        case .cannotRead(let code): String(cString: strerror(code))
        case .tooLarge: "larger than \(ReplayFile.limitBytes) bytes"
        case .badHeader: "the first line is not \(ReplayFile.header)"
        case .badRow(let line, let text): "line \(line) is not a tick: \(text)"
        case .timeFalls(let line): "line \(line) is earlier than the one before"
        case .empty: "holds no ticks"
        }
    }
}

/// Walks over the lines of a text, with or without carriage returns.
struct LineCursor {
    private var rest: UnsafeBufferPointer<UInt8>
    /// Number of the line last returned, from 1.
    private(set) var number = 0

    init(text: UnsafeBufferPointer<UInt8>) { rest = text }

    mutating func next() -> UnsafeBufferPointer<UInt8>? {
        guard !rest.isEmpty else { return nil }
        number += 1
        let end = rest.firstIndex(of: 0x0A) ?? rest.count
        var line = UnsafeBufferPointer(rebasing: rest[..<end])
        rest = UnsafeBufferPointer(rebasing: rest[min(end + 1, rest.count)...])
        if line.last == 0x0D { line = UnsafeBufferPointer(rebasing: line.dropLast()) }
        return line
    }
}
