import TWS
import Testing
import Ticks

private let serverBodies = [
    "9|1|1|", "15|1|DU1,DU2,|", "49|1|1755030000|", "4|2|-1|2104|Market data farm connection is OK:usfarm||",
    "4|-1|2104|a \\u00fc \\ud83d\\ude00||1755030000123|", "1|6|11|1|23384.75|6|1|", "2|6|11|0|0.001|",
    "45|6|11|49|0.0|",
    "46|6|11|48|23385.25;3;1755030000123;123456;23380.1;true|", "57|1|11|", "58|1|11|3|", "81|11|0.25|9c0001|3|",
    "88|42|20190506-13:30:00|", "79|43|1|265598|AAPL|STK|NASDAQ|USD|2|CFD|OPT|APPLE INC||",
    "96|24|2|1681133398|0|91.36|0|1681133399|0|91.37|0|1|", "97|4|1|1681133399|0|11.63|11.83|2800|100|1|",
    "98|9000|2|1681133400|0|11.63|24547|ISLAND| O X|1681133400|2|11.73|1|DRCTEDGE|   I|1|",
    "10|9001|TSLA|STK|20250620 08:30 US/Central|0||SMART|USD|TSLA|NMS|NMS|76792991|0.01||ACTIVETIM|SMART|1|0|TESLA INC|"
        + "NASDAQ||Consumer|Auto|Cars|US/Eastern|20221229:0400-20221229:2000|x|||1|ISIN|US88160R1014|"
        + "1|||26||COMMON|1|1|100|",
    "91|5|265598|SMART|",
    "18|7|IBCID15960357|BOND|912828C57|2.25|20310331|20140331||||0|0|0||SMART|USD|TREAS|TREAS|15960357|0.0001|LMT|SMART|||0||"
        + "US Treasury|US/Eastern|20261127:0800-20261127:1700|x||0|1|CUSIP|912828C57|4|1910|1|1|1|",
]
private let clientBodies = [
    "71|2|7||", "9|8|10|711280073|MNQ|FUT||0.0|||CME||USD|||0||||",
    "1|11|11|0|X|BAG||||||||||1|5|1|BUY|CME|0|233|0|0||",
    "97|20|711280073|MNQ|FUT||0.0|||CME||USD|||Last|0|0|", "7|3|13|0|||||||", "15|1|true|",
    "96|30|711280073|MNQ|FUT||0.0|||CME||USD|||0|20250812 15:00:00 US/Central||1000|TRADES|0|0||",
]
private let numbers = [
    "", "-1", "0", "1", "2147483647", "2147483648", "99999999999999999999", "1e9", "x", "0.5", "-", " ",
]

/// A message with bytes or whole fields changed, taken away or put in.
private func damaged(_ text: String, _ random: inout SplitMix64) -> [UInt8] {
    var fields = text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    for _ in 0..<Int.random(in: 0...2, using: &random) where fields.count > 1 {
        let at = Int.random(in: 1..<fields.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: fields[at] = numbers.randomElement(using: &random) ?? ""
        case 1: fields.remove(at: at)
        default: fields.insert(numbers.randomElement(using: &random) ?? "", at: at)
        }
    }
    var bytes = body(fields.joined(separator: "|"))
    for _ in 0..<Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    return bytes
}

@Test func damagedMessagesAreValuesOrFaultsAndNeverACrash() {
    var random = SplitMix64(seed: 21)
    var values = 0
    for _ in 0..<15_000 {
        let version = Int.random(in: 157...200, using: &random)
        let server = damaged(serverBodies.randomElement(using: &random) ?? "", &random)
        if let message = try? decodeServer(server, version) {
            values += 1
            // Whatever was read can be written, and reads the same again.
            if case .unknown = message { continue }
            let again = Array(encoded(message, version).dropFirst(4))
            #expect((try? decodeServer(again, version)).map { same($0, message) } == true, "\(server)")
        }
        let client = damaged(clientBodies.randomElement(using: &random) ?? "", &random)
        if let request = try? decodeClient(client, version), request != .currentTimeInMillis {
            #expect((try? decodeClient(Array(encoded(request, version).dropFirst(4)), version)) != nil, "\(client)")
        }
    }
    #expect(values > 3_000)
}

/// Equal, also where a record's NaN stands for "no number".
private func same(_ a: ServerMessage, _ b: ServerMessage) -> Bool { a == b || "\(a)" == "\(b)" }
