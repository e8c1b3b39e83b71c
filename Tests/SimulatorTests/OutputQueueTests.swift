import Foundation
import Glibc
import Testing

@testable import Simulator

/// A pair of connected sockets; the first one is what the queue writes to.
private final class Pair {
    var ends: [Int32] = [-1, -1]
    init() throws {
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
        var size: Int32 = 4_096
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    deinit { for end in ends where end >= 0 { close(end) } }

    func readAll() -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(ends[1], &chunk, chunk.count)
            guard count > 0 else { return all }
            all += chunk[..<count]
        }
    }
}

@Suite struct OutputQueueTests {
    private func temporaryFile() throws -> (RowFile, String) {
        let path = NSTemporaryDirectory() + "truth-\(UUID().uuidString).csv"
        return (try RowFile(path: path, header: "h\n"), path)
    }

    @Test(arguments: [0, 1, 7]) func aRowIsTrueWhenItsLastByteIsTaken(pieceBytes: Int) throws {
        let pair = try Pair()
        let (file, path) = try temporaryFile()
        defer { unlink(path) }
        var queue = OutputQueue()
        var sent: [UInt8] = []
        for frame in 0..<800 {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: frame), count: 17 + frame % 30)
            queue.bytes += bytes
            sent += bytes
            queue.mark(rows: Array("\(sent.count)\n".utf8))
        }
        var received: [UInt8] = []
        var outcome = queue.flush(to: pair.ends[0], pieceBytes: pieceBytes, truth: file)
        #expect(outcome == .waiting)
        while true {
            file.flush()
            let taken = sent.count - queue.count
            let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
            #expect(rows.allSatisfy { Int($0).map { $0 <= taken } ?? false })
            if outcome == .drained { break }
            received += pair.readAll()
            outcome = queue.flush(to: pair.ends[0], pieceBytes: pieceBytes, truth: file)
        }
        received += pair.readAll()
        #expect(received == sent)
        let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(rows.count == 801)
    }

    @Test func aLostPeerIsReported() throws {
        let pair = try Pair()
        close(pair.ends[1])
        pair.ends[1] = -1
        var queue = OutputQueue()
        queue.bytes = [1, 2, 3]
        #expect(queue.flush(to: pair.ends[0], pieceBytes: 0, truth: nil) == .failed(EPIPE))
    }

    @Test func aFileThatCannotBeWrittenSaysSo() throws {
        let full = try RowFile(path: "/dev/full", header: "h\n")
        full.flush()
        #expect(full.failure == ENOSPC)
        #expect(throws: SystemError(call: "open", code: ENOENT)) { try RowFile(path: "/nonexistent/x", header: "") }
    }
}
