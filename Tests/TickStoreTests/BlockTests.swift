import CLinux
import Testing
import Ticks

@testable import TickStore

@Suite struct BlockTests {
    @Test func theChecksumIsCastagnolis() {
        let digits = Array("123456789".utf8)
        #expect(clx_crc32c(0, digits, 9) == 0xE306_9283)
        #expect(clx_crc32c_portable(0, digits, 9) == 0xE306_9283)
        #expect(clx_crc32c(clx_crc32c(0, digits, 4), Array(digits[4...]), 5) == 0xE306_9283)
    }

    @Test func bothChecksumsAgreeAtEveryLength() {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<8192).map { _ in UInt8.random(in: 0...255, using: &generator) }
        bytes.withUnsafeBytes { raw in
            for length in Array(0...1700) + [3071, 3072, 3073, 4608, 8191, 8185] {
                let start = (8192 - length) % 7
                let base = raw.baseAddress! + min(start, 8192 - length)
                #expect(clx_crc32c(7, base, length) == clx_crc32c_portable(7, base, length))
            }
        }
    }

    @Test func aLogHasTheseBytes() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.log")
        var writer = try LogWriter(creating: path, positions: [:])
        try withPieces([ticks(quotes, 1...1), ticks(trades, 1...2)]) { try writer.append($0) }
        try writer.sync()
        let part = withUnsafeBytes(of: writer.partID.littleEndian) { Array($0) }
        let all = try bytes(of: path)
        #expect(all.count == 32 + 32 + 3 * 64)
        #expect(writer.endOffset == UInt64(all.count) && writer.durableOffset == writer.endOffset)
        #expect(Array(all[0..<24]) == Array("IBTB".utf8) + [1, 0, 1, 0] + [UInt8](repeating: 0, count: 16))
        #expect(Array(all[24..<28]) == part)
        #expect(
            Array(all[32..<56]) == Array("IBTB".utf8) + [1, 0, 0, 0, 3, 0, 0, 0, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(all[64...]) == (ticks(quotes, 1...1) + ticks(trades, 1...2)).flatMap(\.bytes))
        var block = Array(all[32...])
        block.replaceSubrange(28..<32, with: [0, 0, 0, 0])
        #expect(withUnsafeBytes(of: clx_crc32c_portable(0, block, block.count)) { Array($0) } == Array(all[60..<64]))
        let slots = try bytes(of: directory.file("a.durable"))
        #expect(slots.count == 536 && slots[24..<512].allSatisfy { $0 == 0 } && slots[512...] == slots[0..<24])
        #expect(Array(slots[0..<12]) == Array("IBTD".utf8) + [1, 0, 0, 0] + part)
        #expect(Array(slots[16..<24]) == [UInt8(all.count % 256), UInt8(all.count / 256), 0, 0, 0, 0, 0, 0])
    }

    @Test func theKeyTableSurvives() {
        let table = KeyTable(
            positions: [
                quotes: StreamPosition(key: TickKey(epoch: 3, seq: 9), tsEventNanos: .min, tsRecvNanos: 5),
                StreamID(conId: 1, kind: .last, source: 2): StreamPosition(
                    key: TickKey(epoch: 2, seq: 1), tsEventNanos: 7, tsRecvNanos: 8),
            ], firstEpoch: 2)
        let encoded = table.encoded()
        #expect(encoded.count == 96)
        #expect(Array(encoded[0..<16]) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0])
        #expect(encoded.withUnsafeBytes { KeyTable(decoding: $0) } == table)
        #expect(table.greatestEpoch == 3)
    }

    @Test func partNamesAreDates() {
        let name = PartName(hour: someNanos / 3_600_000_000_000 + 13, number: 7)
        #expect(name.description == "2026-01-01T13.0007.log")
        #expect(PartName(fileName: "2026-01-01T13.0007.log") == name)
        #expect(PartName(fileName: "2024-02-29T23.123456.log")?.description == "2024-02-29T23.123456.log")
        for other in ["2026-01-01T13.7.log", "2026-02-30T13.0007.log", "1.log", "2026-01-01T24.0001.log", ".log", ""] {
            #expect(PartName(fileName: other) == nil)
        }
        #expect(PartName(hour: 1, number: 9) < PartName(hour: 1, number: 10))
    }
}
