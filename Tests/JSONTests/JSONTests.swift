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

    /// Epochs from 2^31 on make keys above 2^63 - 1.
    @Test(arguments: [
        0, 1, UInt64(Int64.max) - 1, UInt64(Int64.max), UInt64(Int64.max) + 1, 9_999_999_999_999_999_999,
        10_000_000_000_000_000_000, UInt64(2_208_988_800) << 32 | 7, .max - 1, .max,
    ])
    func integersAreExactUpToTheLastUnsignedOne(key: UInt64) throws {
        var writer = JSONWriter()
        writer.object {
            $0.field("from", key)
            $0.field("text", "\(key)")
            $0.field("keys") { $0.array { for next in [key, 1, key] { $0.value(next) } } }
        }
        let value = try JSONValue(parsing: writer.bytes)
        #expect(value["from"]?.unsigned == key)
        #expect(value["from"] == .unsigned(key))
        #expect(value["from"]?.integer == Int64(exactly: key))
        #expect(value["text"]?.string == "\(key)")
        #expect(value["keys"]?.array?.map(\.unsigned) == [key, 1, key])
        #expect(value.encoded == writer.bytes)
        #expect(try JSONValue(parsing: "\(key)").unsigned == key)
        #expect(try JSONValue(parsing: " [\n\(key) ]") == [.unsigned(key)])
    }

    /// What is no such integer stays what it is, beside one that is.
    @Test func numbersWithFractionOrExponentAreNoIntegers() throws {
        let text =
            #"[18446744073709551615,18446744073709551615.5,1.9999999999999999999,9999999999999999999e0,"a\"\\",-7]"#
        let value = try JSONValue(parsing: text)
        #expect(value.array?[0] == .large(.max))
        #expect(value.array?[1] == .number(18_446_744_073_709_551_615.5))
        #expect(value.array?[2] == .number(2))
        #expect(value.array?[3] == .number(1e19))
        #expect(value.array?[4] == .string("a\"\\"))
        #expect(value.array?[5] == .integer(-7))
    }

    @Test(arguments: [
        "18446744073709551616", "-9223372036854775809", "99999999999999999999999", "018446744073709551615",
        "+18446744073709551615", "{18446744073709551615:1}", "18446744073709551615 18446744073709551615",
        "18446744073709551615x", "x18446744073709551615", "\"a\"18446744073709551615", "18446744073709551615\"a\"",
        // A text that looks like what a marked integer becomes is refused with NUL, as ever.
        #"["\u00009223372036854775809",18446744073709551615]"#, #"[18446744073709551615,"\u000012"]"#,
        #"{"\u00009":18446744073709551615}"#, "[18446744073709551615,\"\u{0}12\"]", #"[18446744073709551615,"x"#,
    ])
    func whatIsNoIntegerOf64BitsIsRefused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test(arguments: [
        "", " ", "{", "[1,", "nul", "{\"a\":1,\"a\":2}", "{\"a\" 1}", "\"\\u0000\"", "\"\\ud800\"", "1 2",
        "1e999", "\u{1}", "{'a':1}", "[1,]", "// c\n1",
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
