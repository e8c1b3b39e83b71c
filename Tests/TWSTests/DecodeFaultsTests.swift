import TWS
import Testing

private let second: Int64 = 1_000_000_000
private let fault = DecodeError(.badNumber, message: 99, field: 4)

@Suite struct DecodeFaultsTests {
    /// One second of messages in reads of ten; true when its end brings the verdict "too many".
    private func isTooMany(messages: Int, faults: Int) -> Bool {
        var decode = DecodeFaults()
        for _ in 0..<faults { decode.note(fault) }
        var left = messages
        while left > 0 {
            if decode.endRead(messages: min(10, left), nowNanos: second + 1) { return true }
            left -= 10
        }
        return decode.endRead(messages: 1, nowNanos: 2 * second + 2)
    }

    @Test(arguments: [(3, 1), (9, 9), (100, 10), (1000, 100), (20_000, 2_000), (1, 0)])
    func fewAreLived(messages: Int, faults: Int) { #expect(!isTooMany(messages: messages, faults: faults)) }

    @Test(arguments: [(10, 10), (99, 10), (1000, 102), (20_000, 2_005)])
    func moreThanATenthOfASecondEndTheConnection(messages: Int, faults: Int) {
        #expect(isTooMany(messages: messages, faults: faults))
    }

    @Test func aBurstIsHeldAgainstItsWholeSecondAndNotAgainstAnother() {
        var decode = DecodeFaults()
        for _ in 0..<50 { decode.note(fault) }
        #expect(decode.endRead(messages: 50, nowNanos: 0) == false, "the second is not over")
        #expect(decode.endRead(messages: 5000, nowNanos: second - 1) == false)
        #expect(decode.endRead(messages: 1, nowNanos: second) == false, "50 of 5,050")
        for _ in 0..<9 { decode.note(fault) }
        #expect(decode.endRead(messages: 9, nowNanos: second + 1) == false)
        for _ in 0..<9 { decode.note(fault) }
        #expect(decode.endRead(messages: 9, nowNanos: 2 * second) == false, "nine in each of two seconds")
        #expect(decode.endRead(messages: 9, nowNanos: 3 * second) == false)
        for _ in 0..<10 { decode.note(fault) }
        #expect(decode.endRead(messages: 90, nowNanos: 3 * second + 1) == false)
        #expect(decode.endRead(messages: 10_000, nowNanos: 60 * second) == true, "what came later does not excuse it")
        #expect(decode.total == 78)
    }

    @Test func aNewConnectionBeginsAnew() {
        var decode = DecodeFaults()
        _ = decode.endRead(messages: 0, nowNanos: 0)
        for _ in 0..<500 { decode.note(fault) }
        decode.beginConnection()
        #expect(
            decode.endRead(messages: 1, nowNanos: 10 * second) == false && decode.last == nil && decode.total == 500)
    }

    @Test func aSubjectIsSaidOnceAMinuteWithTheCount() {
        var decode = DecodeFaults()
        #expect(decode.toSay(of: 1, nowNanos: 0) == 1)
        #expect(decode.toSay(of: 1, nowNanos: 59 * second) == nil)
        #expect(decode.toSay(of: 2, nowNanos: 59 * second) == 1, "another subject")
        #expect(decode.toSay(of: 1, nowNanos: 60 * second) == 2)
        let lines = (0..<100_000).filter { decode.toSay(of: Int64($0 + 10), nowNanos: 61 * second) != nil }
        #expect(lines.count <= 256, "subjects are bounded")
    }
}

@Suite struct UndecodableMessageTests {
    private func message(_ text: String, _ error: DecodeError, _ version: Int = 200) -> UndecodableMessage {
        body(text).withUnsafeBytes { UndecodableMessage($0, error, serverVersion: version) }
    }

    @Test func whomItBelongsToAndWhatCantBeReadIsKept() {
        let tick = message("99|4|3|1755030000|nan|23385.25|6|1|0|", fault)
        #expect(tick.messageId == 99 && tick.requestId == 4 && tick.isTick)
        #expect(tick.start == "99|4|3|1755030000|nan|23385.25|6|1|0|")
        #expect(tick.fault == "4:nan|23385.25|6|1|0|")
    }

    @Test(arguments: [
        ("10|7|ODD|", 200, 7 as Int32?), ("10|8|7|ODD|", 163, 7), ("4|2|5|x|", 187, 5), ("4|5|x|", 194, 5),
        ("98|12|x|", 200, 12), ("1|6|9|x|", 200, 9), ("99|nine|3|", 200, nil), ("99||3|", 200, nil), ("99", 200, nil),
        ("15|", 200, nil), ("x7|1|", 200, nil), ("", 200, nil), ("99|99999999999999999999|3|", 200, nil),
    ]) func theRequestIsFoundWhereverTheMessageHasIt(text: String, version: Int, request: Int32?) {
        #expect(message(text, fault, version).requestId == request)
    }

    @Test func nothingOfItCanTouchATerminal() {
        let bytes: [UInt8] = [0x39, 0x39, 0, 0x1B, 0x5B, 0x32, 0x4A, 0x0A, 0xFF, 0x5C]
        let found = bytes.withUnsafeBytes {
            UndecodableMessage($0, DecodeError(.badNumber, message: 99, field: 1), serverVersion: 200)
        }
        #expect(found.start == #"99|\x1b[2J\x0a\xff\x5c"#)
        #expect(found.fault == #"1:\x1b[2J\x0a\xff\x5c"#)
        #expect(message(String(repeating: "9", count: 5000), fault).start.utf8.count == UndecodableMessage.shownBytes)
    }

    /// A definition whose field can't be is refused with the field's number, and the number has a name.
    @Test(arguments: [
        ("0.01||LMT,MKT|SMART|0.01|0", "priceMagnifier"), ("0.01||LMT,MKT|SMART|2147483648|0", "priceMagnifier"),
        ("0,01||LMT,MKT|SMART|1|0", "minTick"), ("0.01||LMT,MKT|SMART|1|1.5", "underConId"),
    ]) func anImpossibleFieldOfADefinitionIsNamed(fields: String, name: String) throws {
        let text =
            "10|7|ODD|STK|||0||SMART|USD|ODD|ODD|ODD|7777|\(fields)|Odd Inc|SMART|||||UTC|20261127:0000-20261128:0000|"
            + "20261127:0000-20261128:0000|||0|1|||26|||1|1|1|0|"
        let error = try #require(throws: DecodeError.self) { try decodeServer(body(text), 200) }
        #expect(InstrumentDetails.fieldName(error.field, serverVersion: 200) == name)
    }

    @Test(arguments: [157, 163, 164, 181, 182, 200]) func theNamesStandWhereTheFieldsAre(version: Int) throws {
        var details = InstrumentDetails()
        details.contract.symbol = "symbol"
        details.contract.exchange = "exchange"
        details.contract.tradingClass = "tradingClass"
        details.longName = "longName"
        details.timeZoneId = "timeZoneId"
        details.liquidHours = "liquidHours"
        details.evRule = "evRule"
        let bytes = encoded(.contractData(requestId: 7, details), version).dropFirst(4)
        let fields = bytes.split(separator: 0, omittingEmptySubsequences: false)
        for (index, field) in fields.enumerated() {
            let text = String(decoding: field, as: UTF8.self)
            guard text.first?.isLetter == true else { continue }
            #expect(InstrumentDetails.fieldName(Int32(index), serverVersion: version) == text)
        }
        #expect(InstrumentDetails.fieldName(-1, serverVersion: version) == nil)
        #expect(InstrumentDetails.fieldName(1000, serverVersion: version) == nil)
    }
}
