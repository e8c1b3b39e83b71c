@testable internal import TWS
internal import Ticks

extension Target {
    /// The gateway's protocol, both directions.
    static let wire = [
        Target(name: "frames", seeds: frameSeeds, run: readFrames),
        Target(name: "server", seeds: { serverBodies.map { bytes(30, $0) } }, run: readServerMessage),
        Target(name: "ticks", seeds: { tickBodies }, run: readTick),
        Target(name: "client", seeds: { clientBodies.map { bytes(30, $0) } }, run: readClientRequest),
    ]

    /// A text body written with `|` for NUL.
    private static func body(_ text: String) -> [UInt8] { text.utf8.map { $0 == 0x7C ? 0 : $0 } }

    private static let tickBodies = [
        "99|20|1|1755030000|23384.75|6|0|CME||", "99|20|2|1755030000|0|0|1|ISLAND| O X|", "99|21|4|1755030000|1.085|",
        "99|20|3|1755030000|23384.75|23385.25|6|1|3|", "99|20|3|1755030000|1e-9|1.0E10|0.1|9223372036.854775807|0|",
        "99|20|1|1755030000|-0.25|6|2|AVERYLONGEXCHANGE|ABCDEFGHIJ|",
        "99|20|3|1755030000|1.0E-9223372036854775808|1|1|1|0|",
    ].map(body)

    private static let serverBodies =
        [
            "9|1|1|", "15|1|DU1,DU2,|", "49|1|1755030000|", "4|2|-1|2104|Market data farm connection is OK:usfarm||",
            "4|-1|2104|a \\u00fc \\ud83d\\ude00||1755030000123|", "1|6|11|1|23384.75|6|1|", "2|6|11|0|0.001|",
            "45|6|11|49|0.0|", "46|6|11|48|23385.25;3;1755030000123;123456;23380.1;true|", "57|1|11|", "58|1|11|3|",
            "81|11|0.25|9c0001|3|", "88|42|20190506-13:30:00|",
            "79|43|1|265598|AAPL|STK|NASDAQ|USD|2|CFD|OPT|APPLE INC||",
            "96|24|2|1681133398|0|91.36|0|1681133399|0|91.37|0|1|",
            "97|4|1|1681133399|0|11.63|11.83|2800|100|1|",
            "98|9000|2|1681133400|0|11.63|24547|ISLAND| O X|1681133400|2|11.73|1|DRCTEDGE|   I|1|",
            "10|9001|TSLA|STK|20250620 08:30 US/Central|0||SMART|USD|TSLA|NMS|NMS|76792991|0.01||ACTIVETIM|SMART|1|0|"
                + "TESLA INC|NASDAQ||Consumer|Auto|Cars|US/Eastern|20221229:0400-20221229:2000|x|||1|ISIN|US88160R1014|"
                + "1|||26||COMMON|1|1|100|",
            "18|7|IBCID1|BOND|912828C57|2.25|20310331|20140331||||0|0|0||SMART|USD|TREAS|TREAS|15960357|0.0001|LMT|SMART|||0||"
                + "US Treasury|US/Eastern|20261127:0800-20261127:1700|x||0|1|CUSIP|912828C57|4|1910|1|1|1|",
            "91|5|265598|SMART|", "15|1|, ,|",
        ].map(body) + tickBodies

    private static let clientBodies = [
        "71|2|7||", "9|8|10|711280073|MNQ|FUT||0.0|||CME||USD|||0||||",
        "1|11|11|0|X|BAG||||||||||1|5|1|BUY|CME|0|233|0|0||", "97|20|711280073|MNQ|FUT||0.0|||CME||USD|||Last|0|0|",
        "98|20|", "2|2|11|", "59|1|3|", "81|43|MNQ|", "7|3|13|0|||||||", "15|1|true|", "5|1|", "49|1|", "6|2|1|DU1|",
        "96|30|711280073|MNQ|FUT||0.0|||CME||USD|||0|20250812 15:00:00 US/Central||1000|TRADES|0|0||",
        "87|31|711280073|MNQ|FUT||0.0|||CME||USD|||0|0|TRADES|1|", "105|",
    ].map(body)

    private static func frame(_ body: [UInt8]) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: UInt32(body.count) >> $0) } + body
    }

    @Sendable private static func frameSeeds() -> [[UInt8]] {
        [
            bytes(7, serverBodies.flatMap(frame)),
            bytes(255, frame(body("200|20250812 15:00:00 UTC|")) + [0, 0, 0, 0]),
            bytes(1, frame(tickBodies[3]) + [0, 255, 255, 255]), bytes(3, [255, 255, 255, 255]),
        ]
    }

    /// A stream in pieces: whatever the cuts, the same frames come out, and each is looked at.
    @Sendable private static func readFrames(_ all: UnsafeRawBufferPointer) {
        var input = Input(all)
        let piece = Int(input.byte()) + 1
        let stream = input.take(1 << 16)
        let inPieces = frames(of: stream, piece: piece)
        let atOnce = frames(of: stream, piece: stream.count)
        precondition(inPieces.bodies == atOnce.bodies && inPieces.failed == atOnce.failed, "the cut decides")
        for body in atOnce.bodies {
            body.withUnsafeBytes { bytes in
                accepts { _ = try ServerHello(parsing: bytes) }
                accepts { _ = try ClientHello(parsing: bytes).negotiate(ServerVersion.supported) }
                accepts { _ = try ServerMessage(decoding: bytes, serverVersion: 187) }
            }
        }
    }

    private static func frames(of stream: [UInt8], piece: Int) -> (bodies: [[UInt8]], failed: Bool) {
        var reader = FrameReader()
        var bodies: [[UInt8]] = []
        var at = 0
        let isSound = accepts {
            while at < stream.count {
                _ = reader.withFreeSpace { free in
                    let count = min(piece, stream.count - at, free.count)
                    free.copyBytes(from: stream[at..<(at + count)])
                    at += count
                    return count
                }
                while let body = try reader.next() { bodies.append(Array(body)) }
            }
        }
        return (bodies, !isSound)
    }

    /// What could be read can be written, and read again.
    @Sendable private static func readServerMessage(_ all: UnsafeRawBufferPointer) {
        var input = Input(all)
        let version = 157 + Int(input.byte()) % 44
        input.remaining { body in
            accepts {
                let message = try ServerMessage(decoding: body, serverVersion: version)
                if case .unknown = message { return }
                var out: [UInt8] = []
                message.encode(to: &out, serverVersion: version)
                let again = accepts {
                    try out.withUnsafeBytes {
                        _ = try ServerMessage(
                            decoding: UnsafeRawBufferPointer(rebasing: $0.dropFirst(4)), serverVersion: version)
                    }
                }
                precondition(again, "what was read can't be read again")
            }
        }
    }

    @Sendable private static func readClientRequest(_ all: UnsafeRawBufferPointer) {
        var input = Input(all)
        let version = 157 + Int(input.byte()) % 44
        input.remaining { body in
            accepts {
                let request = try ClientRequest(decoding: body, serverVersion: version)
                var out: [UInt8] = []
                request.encode(to: &out, serverVersion: version)
            }
        }
    }

    /// The quick way and the careful way read the same tick.
    @Sendable private static func readTick(_ all: UnsafeRawBufferPointer) {
        Input(all).remaining { body in
            guard TickByTickCodec.matches(body) else { return }
            var quick = Tick(kind: .last)
            var careful = Tick(kind: .last)
            var quickTexts = MoreTexts()
            var carefulTexts = MoreTexts()
            var quickId: Int32?
            var carefulId: Int32?
            let isQuick = accepts { quickId = try TickByTickCodec.decode(body, into: &quick, texts: &quickTexts) }
            let isCareful = accepts {
                carefulId = try TickByTickCodec.decodeCarefully(body, into: &careful, texts: &carefulTexts)
            }
            precondition(isQuick == isCareful && quickId == carefulId, "one way refuses what the other reads")
            if isQuick, quickId != nil { precondition(quick == careful && quickTexts == carefulTexts, "two readings") }
        }
    }
}
