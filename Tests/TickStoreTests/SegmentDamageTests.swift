import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct SegmentDamageTests {
    /// Writes a segment of these blocks and returns its bytes and where each block stands in them. A writer makes
    /// blocks of 16,000 records, which nobody decodes ten thousand times; readers take any number.
    private func segment(of blocks: [[Tick]]) -> (bytes: [UInt8], ranges: [Range<Int>]) {
        let segmentID: UInt32 = 20_260_203
        let workspace = SegmentWorkspace()
        let header = SegmentHeader(stream: quotes, segmentID: segmentID, definition: Array(#"{"con_id":1}"#.utf8))
        var bytes = header.encoded()
        var summary = SegmentSummary(stream: quotes, segmentID: segmentID, previousKey: .zero)
        var ranges: [Range<Int>] = []
        for block in blocks {
            let start = bytes.count
            block.withUnsafeBufferPointer {
                summary.take($0, at: UInt64(start))
                bytes += workspace.encode($0, of: quotes, segmentID: segmentID)
            }
            ranges.append(start..<bytes.count)
        }
        let indexOffset = UInt64(bytes.count)
        bytes += summary.index.encoded(segmentID: segmentID)
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        bytes += summary.finished(indexOffset: indexOffset, sha256: hash.finish()).encoded()
        return (bytes, ranges)
    }

    /// Flips one bit at each of many places: every one is found, and all blocks but the one
    /// that was hit are read as they were written.
    @Test func oneFlippedBitAnywhereCostsItsBlockAndNoOther() throws {
        let directory = try TemporaryDirectory(inMemory: true)
        // In the place of a segment: the path says which stream it is when the header can't.
        let name = SegmentName(stream: quotes, symbol: "S", hour: 490_896)
        let path = name.path(in: directory.file("ticks"))
        try FileManager.default.createDirectory(
            atPath: PartName.directory(of: path), withIntermediateDirectories: true)
        let records = wildRecords(quotes, count: 250, seed: 3).filter { $0.stream == quotes }
        let blocks = (0..<4).map { Array(records[($0 * records.count / 4)..<(($0 + 1) * records.count / 4)]) }
        let (whole, ranges) = segment(of: blocks)
        #expect(whole.count * 8 >= 10_000)
        try write(whole, to: path)
        try #require(Verify(file: path).run().findings.isEmpty)
        try #require(TickReader.all(TickReader(stateDirectory: directory.path)).ticks == [quotes: records])
        for bit in bitsToFlip(of: whole, quick: 1_500, seed: 20_260_202) {
            var damaged = whole
            damaged[bit / 8] ^= 1 << (bit % 8)
            try write(damaged, to: path)
            let report = try Verify(file: path).run()
            #expect(!report.findings.isEmpty, "bit \(bit)")
            let (all, findings) = try TickReader.all(TickReader(stateDirectory: directory.path))
            let hit = ranges.firstIndex { $0.contains(bit / 8) }
            let left = blocks.indices.filter { $0 != hit }.flatMap { blocks[$0] }
            #expect(all == [quotes: left], "bit \(bit)")
            // Whatever costs a record is told.
            #expect(hit == nil || !findings.isEmpty, "bit \(bit)")
        }
    }

    /// Whatever bytes stand where a block should be: no crash, no read beyond the buffer (address sanitizer).
    @Test func randomBytesInABlockWithARightChecksumAreRefused() throws {
        let records = ticks(quotes, 1...300)
        let workspace = SegmentWorkspace()
        let block = records.withUnsafeBufferPointer { Array(workspace.encode($0, of: quotes, segmentID: 9)) }
        var generator = SplitMix64(seed: 11)
        let out = UnsafeMutableBufferPointer<Tick>.allocate(capacity: SegmentBlock.maxRecords)
        defer { out.deallocate() }
        for _ in 0..<3_000 {
            var damaged = block
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let at = Int.random(in: 8..<damaged.count, using: &generator)
                damaged[at] = UInt8.random(in: 0...255, using: &generator)
            }
            damaged.withUnsafeMutableBytes {
                let checksum = Checksum.withoutField(UnsafeRawBufferPointer($0), at: SegmentBlock.checksumOffset)
                $0.store(checksum, at: SegmentBlock.checksumOffset)
            }
            damaged.withUnsafeBytes {
                if let header = workspace.decode(block: $0, of: quotes, segmentID: nil, into: out) {
                    #expect(header.records <= UInt32(SegmentBlock.maxRecords))
                }
            }
        }
    }
}
