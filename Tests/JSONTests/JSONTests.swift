import JSON
import Testing
import Ticks

@Suite struct JSONValueTests {
    @Test func valuesOfEveryKindParse() throws {
        let text = #"{"a":null,"b":[true,false],"c":-9223372036854775808,"d":1.5,"e":"x","f":{}}"#
        let value = try JSONValue(parsing: text)
        #expect(
            value == [
                "a": nil, "b": [true, false], "c": .integer(.min), "d": 1.5, "e": "x", "f": [:],
            ])
        #expect(value.description == text)
    }

    @Test func membersKeepTheirOrder() throws {
        let names = (0..<100).map { "k\(($0 * 37) % 100)" }
        let text = "{" + names.map { "\"\($0)\":1" }.joined(separator: ",") + "}"
        #expect(try JSONValue(parsing: text).object?.members.map(\.name) == names)
    }

    @Test func keysKeepEveryDigit() throws {
        let key: UInt64 = 1_755_000_000 << 32 | 4_294_967_295
        var writer = JSONWriter()
        writer.object { $0.field("from", key) }
        #expect(try JSONValue(parsing: writer.bytes)["from"]?.unsigned == key)
    }

    @Test(arguments: [
        "", " ", "{", "[1,", "nul", "{\"a\":1,\"a\":2}", "{\"a\" 1}", "\"\\u0000\"", "\"\\ud800\"", "1 2",
        "9223372036854775808", "1e999", "\u{1}", "{'a':1}", "[1,]", "// c\n1",
    ])
    func badTextIsRefusedWithAPlace(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    }

    @Test func thePlaceIsTold() throws {
        do throws(JSONError) {
            _ = try JSONValue(parsing: "{\n \"a\": x}")
            Issue.record("parsed")
        } catch {
            guard case .malformed(_, let line, _) = error else {
                Issue.record(error)
                return
            }
            #expect(line == 2)
        }
    }

    @Test func lengthAndDepthHaveBounds() {
        #expect(throws: JSONError.tooLong(bytes: 6, limit: 5)) { try JSONValue(parsing: "\"1234\"", maxBytes: 5) }
        let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(throws: Never.self) { try JSONValue(parsing: deepest) }
        #expect(throws: JSONError.tooDeep) { try JSONValue(parsing: "[" + deepest + "]") }
        let bottomless = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSONValue(parsing: bottomless) }
    }

    @Test func settingReplacesInPlaceAndNilRemoves() {
        var object = JSONObject()
        for index in 0..<40 { object["k\(index)"] = .integer(Int64(index)) }
        object["k3"] = "three"
        object["k0"] = nil
        #expect(object.members.first?.name == "k1")
        #expect(object["k3"] == "three")
        #expect(object["k39"] == 39)
        #expect(object.members.count == 39)
    }

    @Test func randomBytesNeverCrash() {
        var random = SplitMix64(seed: 1)
        let alphabet = Array("{}[]\",:0123456789.eE+-truefalsn\\u \n\u{0}\u{7f}é".utf8)
        for _ in 0..<20_000 {
            let length = Int(random.next() % 40)
            let bytes = (0..<length).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            // What parses reads back as itself.
            #expect((try? JSONValue(parsing: value.encoded)) == value)
        }
    }
}

@Suite struct JSONWriterTests {
    @Test func commasStandBetweenAndNowhereElse() {
        var writer = JSONWriter()
        writer.object {
            $0.field("a") { $0.array { _ in } }
            $0.field("b") { writer in
                writer.array {
                    $0.value(1)
                    $0.object { _ in }
                    $0.null()
                }
            }
            $0.field("c", true)
        }
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"a":[],"b":[1,{},null],"c":true}"#)
    }

    @Test func numbersAreExact() {
        var writer = JSONWriter()
        writer.array {
            $0.value(Int64.min)
            $0.value(UInt64.max)
            $0.value(0)
            $0.value(0.1)
            $0.value(Double.nan)
            $0.value(-Double.infinity)
            $0.value(1e300)
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == "[-9223372036854775808,18446744073709551615,0,0.1,null,null,1e+300]")
    }

    @Test func everyCharacterReadsBack() throws {
        var text = String(String.UnicodeScalarView((1...0x2FF).compactMap { Unicode.Scalar($0) }))
        text += "😀\u{2028}\"\\"
        #expect(try JSONValue(parsing: JSONValue.string(text).encoded).string == text)
    }

    @Test func aReusedBufferIsNotAllocatedAgain() {
        var writer = JSONWriter()
        writer.object { $0.field("name", "a longer text than fits a small string") }
        let first = writer.bytes.withUnsafeBufferPointer { $0.baseAddress }
        writer.removeAll()
        writer.object { $0.field("x", 1) }
        #expect(writer.bytes.withUnsafeBufferPointer { $0.baseAddress } == first)
        #expect(writer.take() == Array(#"{"x":1}"#.utf8))
        #expect(writer.bytes.isEmpty)
    }
}
