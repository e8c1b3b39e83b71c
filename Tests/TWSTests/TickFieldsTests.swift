@testable import TWS
import Testing
import Ticks

/// What one decoder makes of a body; equal for two decoders that agree.
private enum Outcome: Equatable {
    case tick(Int32, Tick, MoreTexts)
    case ignored
    case fault(DecodeError)
}

/// Exactly as large as the body, so that the address sanitizer sees a read beyond it.
private func outcome(
    _ body: [UInt8], _ decode: (UnsafeRawBufferPointer, inout Tick, inout MoreTexts) throws(DecodeError) -> Int32?
) -> Outcome {
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
    defer { raw.deallocate() }
    raw.copyBytes(from: body)
    var tick = Tick(kind: .last)
    var texts = MoreTexts()
    do throws(DecodeError) {
        guard let requestId = try decode(UnsafeRawBufferPointer(raw), &tick, &texts) else { return .ignored }
        return .tick(requestId, tick, texts)
    } catch {
        return .fault(error)
    }
}

private func both(_ body: [UInt8]) -> (fast: Outcome, careful: Outcome) {
    let fast = outcome(body) { raw, tick, texts throws(DecodeError) in
        try TickByTickCodec.decode(raw, into: &tick, texts: &texts)
    }
    let careful = outcome(body) { raw, tick, texts throws(DecodeError) in
        try TickByTickCodec.decodeCarefully(raw, into: &tick, texts: &texts)
    }
    return (fast, careful)
}

private let numbers = [
    "0", "1", "9", "12", "1234567", "12345678", "123456789", "1234567890", "-1", "-0.5", "0.001", "23385.25", "23385.0",
    "108432.25", "1.084355", "0.000000001", "0.0000000001", "5.", ".5", ".", "", "-", "1e5", "1.0E-5", "2147483647",
    "9223372036854775807", "-9223372036854775808", "1.7976931348623157E308", "Infinity", "NaN", "12x", "1 ", "1.2.3",
    "999999999.999999999", "9223372036.854775807", "0000001.50", "+3", "12345.678", "1234567.8", "99999999", "x",
]
private let times = ["1755030000", "0", "", "175503000", "9223372035", "9223372036", "9999999999", "-1", "17550300x0"]
private let words = [
    "", "CME", "ISLAND", "DRCTEDGE", "NINECHARS", "TENLETTERS", "ELEVENCHARS", " O X", "   I", "Regula", "Regular",
    "EIGHTEEN CHARACTERS", String(repeating: "long", count: 60), "Zürich",
]
private let ids = ["20", "1", "9999999", "10000000", "2147483647", "2147483648", "-1", "", "x"]
private let masks = ["0", "1", "2", "3", "4", "7", "10", "", "-1", "x"]

@Test func theFastPathAndTheCarefulOneAgree() {
    var random = SplitMix64(seed: 11)
    func any(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "" }
    var ordinary = 0
    for round in 0..<20_000 {
        let usual = round % 3 != 0
        let id = usual ? "21" : any(ids)
        let time = usual ? "1755030000" : any(times)
        let mask = usual ? "1" : any(masks)
        let text: String
        switch round % 4 {
        case 0:
            text = "99|\(id)|3|\(time)|\(any(numbers))|\(any(numbers))|\(any(numbers))|\(any(numbers))|\(mask)|"
        case 1: text = "99|\(id)|1|\(time)|\(any(numbers))|\(any(numbers))|\(mask)|\(any(words))|\(any(words))|"
        case 2: text = "99|\(id)|4|\(time)|\(any(numbers))|"
        default: text = "99|\(id)|2|\(time)|\(any(numbers))|\(any(numbers))|\(mask)|\(any(words))|\(any(words))|x|"
        }
        let (fast, careful) = both(body(text))
        #expect(fast == careful, "\(text)")
        if case .tick = fast { ordinary += 1 }
    }
    #expect(ordinary > 2_000)
}

@Test func bothPathsAgreeOnDamagedMessages() {
    var random = SplitMix64(seed: 12)
    let seeds = [
        "99|20|1|1755030000|23385.25|3|0|CME||", "99|22|3|1755030000|23384.75|23385.25|6|1|0|",
        "99|23|4|1755030000|23385.0|", "99|7|2|1681133400|11.63|24547|3|DRCTEDGE| O X|",
    ].map(body)
    for _ in 0..<20_000 {
        var bytes = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[at] = UInt8(ascii: "0") &+ UInt8.random(in: 0...9, using: &random)
            case 2: bytes.remove(at: at)
            case 3: bytes[at] = 0
            default: bytes.removeLast(min(bytes.count, Int.random(in: 1...12, using: &random)))
            }
        }
        let (fast, careful) = both(bytes)
        #expect(fast == careful, "\(bytes)")
    }
}

@Test func everyCutOfATickIsAFault() {
    for text in ["99|20|1|1755030000|23385.25|3|0|CME|Regular|", "99|22|3|1755030000|23384.75|23385.25|6|1|0|"] {
        let whole = body(text)
        for count in 0..<whole.count {
            guard case .fault = both(Array(whole[..<count])).fast else {
                Issue.record("\(count) bytes of \(text) passed for a message")
                continue
            }
        }
    }
}

/// What nearly all ticks look like must not fall to the careful decoder, which costs several times as much.
@Test(arguments: [
    "99|20|1|1755030000|23385.25|3|0|CME||", "99|1234567|2|1755030000|-0.25|0.001|3|NINECHARS| O X  |",
    "99|22|3|1755030000|108432.25|1.084355|6|1234567|2|", "99|22|3|1755030000|5|123456789.123456789|0|1234567.5|0|",
    "99|23|4|1755030000|23385.0|", "99|23|4|1755030000|0.5|", "99|1|1|1755030000|1|1|1|TENLETTERS||",
])
func ordinaryTicksTakeTheFastPath(text: String) throws {
    let bytes = body(text)
    var tick = Tick(kind: .last)
    let isOrdinary = try bytes.withUnsafeBytes { raw in
        var fields = TickFields(try #require(raw.baseAddress), count: raw.count, offset: 3)
        _ = fields.whole()
        let kind = fields.digit()
        _ = fields.seconds()
        switch kind {
        case 3: fields.quote(into: &tick)
        case 4: _ = fields.price()
        default: fields.trade(into: &tick)
        }
        return fields.isOrdinary
    }
    #expect(isOrdinary)
}
