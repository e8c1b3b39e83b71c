import TWS
import Testing

private func clientHello(_ text: String) throws -> ClientHello {
    try Array(text.utf8).withUnsafeBytes { raw throws(HandshakeError) in try ClientHello(parsing: raw) }
}

private func serverHello(_ bytes: [UInt8], _ offered: ClosedRange<Int> = ServerVersion.supported) throws -> ServerHello
{
    try bytes.withUnsafeBytes { raw throws(HandshakeError) in try ServerHello(parsing: raw, offered: offered) }
}

@Test func theClientGreetsWithTheLiteralBytes() {
    let bytes = hex("41 50 49 00 | 00 00 00 09 | 76 31 30 30 2e 2e 31 38 37")
    #expect(Handshake.clientHello(versions: 100...187) == bytes)
    #expect(Handshake.clientHello() == Handshake.prefix + frame(Array("v157..200".utf8)))
    #expect(Handshake.clientHello(versions: 187...187) == Handshake.prefix + frame(Array("v187".utf8)))
}

@Test func theServerAnswersWithTheLiteralBytes() throws {
    let bytes = hex(
        """
        00 00 00 21 | 31 38 37 00 |
        32 30 32 35 30 38 31 32 20 32 30 3a 31 31 3a 33 34 20 55 53 2f 43 65 6e 74 72 61 6c 00
        """)
    let hello = ServerHello(version: 187, connectionTime: "20250812 20:11:34 US/Central")
    var out: [UInt8] = []
    hello.encode(to: &out)
    #expect(out == bytes)
    #expect(try serverHello(Array(bytes.dropFirst(4))) == hello)
}

@Test func connectionTimesOfAnySortPass() throws {
    #expect(try serverHello(body("173|20250323 22:21:01 Greenwich Mean Time|")).version == 173)
    #expect(try serverHello(body("173|")).connectionTime == "")
    #expect(try serverHello(body("173")).version == 173)
    let windows = Array("176\0".utf8) + [0x20, 0xE9, 0xFC, 0] as [UInt8]
    #expect(try serverHello(windows).version == 176)
}

@Test(arguments: ["", "x|y|", "|", "1e3|x|", "187 |x|"])
func answersThatAreNoGreetingAreFaults(text: String) {
    #expect(throws: HandshakeError.self) { try serverHello(body(text)) }
}

@Test func versionsThatWereNotOfferedAreFaults() {
    #expect(throws: HandshakeError.unsupportedVersion(156)) { try serverHello(body("156|x|")) }
    #expect(throws: HandshakeError.unsupportedVersion(201)) { try serverHello(body("201|x|")) }
    #expect(throws: HandshakeError.redirected("10.1.2.3:4001")) { try serverHello(body("-1|10.1.2.3:4001|")) }
}

@Test func rangesOfRealClientsParse() throws {
    #expect(try clientHello("v100..187").versions == 100...187)
    #expect(try clientHello("v187").versions == 187...187)
    #expect(try clientHello("v157..178 +PACEAPI") == clientHello("v157..178 +PACEAPI"))
    #expect(try clientHello("v157..178 +PACEAPI").options == "+PACEAPI")
}

@Test(arguments: ["", "v", "187", "v-1..5", "v200..100", "v1..2..3", "v..", "vx..y", "v9999999999999999999..1"])
func rangesThatAreNoneAreFaults(text: String) {
    #expect(throws: HandshakeError.self) { try clientHello(text) }
}

@Test func bothSidesAgreeOnTheGreatestCommonVersion() throws {
    #expect(try clientHello("v100..187").negotiate(157...200) == 187)
    #expect(try clientHello("v100..226").negotiate(157...200) == 200)
    #expect(try clientHello("v213..225").negotiate(157...200) == nil)
    #expect(try clientHello("v100..150").negotiate(157...200) == nil)
}
