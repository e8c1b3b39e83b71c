import TWS
import Testing
import Ticks

private let recorded: [[UInt8]] = [
    body("187|20250812 20:11:34 US/Central|"), body("15|1|DU1234567|"), body("9|1|1|"),
    body("4|2|-1|2104|Market data farm connection is OK:usfarm||"), body("99|20|1|1755030000|23385.25|3|0|CME||"),
    body("99|22|3|1755030000|23384.75|23385.25|6|1|0|"), body("99|23|4|1755030000|23385.0|"), [0x31],
    Array(repeating: 0x41, count: 300),
]
private let stream = recorded.flatMap(frame)

@Test func framesSurviveAnyCut() throws {
    for cut in 0...stream.count {
        var reader = FrameReader()
        var found = try bodies(of: Array(stream[..<cut]), piece: .max, reader: &reader)
        found += try bodies(of: Array(stream[cut...]), piece: .max, reader: &reader)
        #expect(found == recorded)
        #expect(reader.bufferedBytes == 0)
    }
}

@Test(arguments: [1, 2, 3, 5, 7, 64, 4_096])
func framesSurvivePiecesOfAnySize(piece: Int) throws {
    var reader = FrameReader()
    let rounds = 40
    let many = Array(repeatElement(stream, count: rounds).joined())
    #expect(
        try bodies(of: many, piece: piece, reader: &reader) == Array(repeatElement(recorded, count: rounds).joined()))
}

@Test func aBurstOfExactly4096BytesIsAllDelivered() throws {
    var reader = FrameReader()
    let small = frame(Array(repeating: 0x41, count: 12))
    let burst = Array(repeatElement(small, count: 256).joined())
    #expect(burst.count == 4_096)
    #expect(try bodies(of: burst, piece: 4_096, reader: &reader).count == 256)
    let uneven = Array(burst.dropLast(5))
    #expect(try bodies(of: uneven, piece: 4_096, reader: &reader).count == 255)
    #expect(try bodies(of: Array(burst.suffix(5)), piece: 4_096, reader: &reader).count == 1)
}

@Test(arguments: [0, 0x0100_0000, 0x3439_0031, 0x8000_0000, 0xFFFF_FFFF] as [UInt32])
func impossibleLengthsEndTheStream(length: UInt32) throws {
    var reader = FrameReader()
    let bytes = frame([1, 2, 3]) + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + [1, 2, 3]
    reader.withFreeSpace { free in
        free.copyBytes(from: bytes)
        return bytes.count
    }
    let first = try reader.next().map { Array($0) }
    #expect(first == [1, 2, 3])
    for _ in 0..<2 {
        do throws(FrameError) {
            _ = try reader.next()
            Issue.record("a length of \(length) passed")
        } catch {
            #expect(error == .badLength(length))
        }
    }
    reader.removeAll()
    #expect(try bodies(of: stream, piece: .max, reader: &reader) == recorded)
}

@Test func theGreatestFramePassesAndTheBufferShrinksAgain() throws {
    var reader = FrameReader()
    var large = [UInt8](repeating: 0x42, count: FrameReader.maxFrameBytes)
    large[large.count - 1] = 0
    let found = try bodies(of: frame([7]) + frame(large) + frame([8]), piece: 100_000, reader: &reader)
    #expect(found.map(\.count) == [1, FrameReader.maxFrameBytes, 1])
    #expect(found[1] == large)
    var room = 0
    reader.withFreeSpace { free in
        room = free.count
        return 0
    }
    #expect(room == FrameReader.startCapacity)
}

@Test func thereIsAlwaysRoomToReadInto() throws {
    var reader = FrameReader()
    var random = SplitMix64(seed: 5)
    var pending = 0
    for _ in 0..<2_000 {
        let body = [UInt8](repeating: 1, count: Int.random(in: 1...200_000, using: &random))
        let bytes = frame(body)
        var at = 0
        while at < bytes.count {
            reader.withFreeSpace { free in
                #expect(free.count > 0)
                let count = min(free.count, bytes.count - at, Int.random(in: 1...150_000, using: &random))
                free.copyBytes(from: bytes[at..<(at + count)])
                at += count
                return count
            }
            while let next = try reader.next() { pending += next.count == body.count ? 1 : 1_000_000 }
        }
        if at % 7 == 0 { break }
    }
    #expect(pending > 0 && pending < 1_000_000)
}

@Test func randomBytesNeverCrash() {
    var random = SplitMix64(seed: 6)
    for seed in 0..<300 {
        var reader = FrameReader()
        var broken = false
        for _ in 0..<20 where !broken {
            reader.withFreeSpace { free in
                let count = min(free.count, Int.random(in: 0...4_096, using: &random))
                for at in 0..<count {
                    // Small lengths now and then, or nothing but bad lengths is tested.
                    free[at] =
                        seed % 2 == 0
                        ? UInt8.random(in: 0...255, using: &random)
                        : [0, 0, 0, 3, 9].randomElement(
                            using: &random) ?? 0
                }
                return count
            }
            do throws(FrameError) {
                while let body = try reader.next() {
                    for version in [157, 187, 200] {
                        _ = try? ServerMessage(decoding: body, serverVersion: version)
                        _ = try? ClientRequest(decoding: body, serverVersion: version)
                    }
                }
            } catch {
                broken = true
            }
        }
    }
}
