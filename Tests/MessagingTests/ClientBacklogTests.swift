import Foundation
@testable import Messaging
import Testing
import Ticks

/// A client that asks as often as the test wants.
private final class Asker {
    let socket: RawDealer

    init(_ socket: consuming RawDealer) { self.socket = socket }

    private var records = 0

    /// Takes what has come of a page; nil while it has not ended.
    func recordsOfPage() throws -> Int? {
        while let frames = try socket.receiveIfThere() {
            if frames[0] == Array("end".utf8) { return records }
            if frames[0] == Array("batch".utf8) { records += frames[2].count / Tick.size }
        }
        return nil
    }
}

/// Clients that ask and never read.
@Suite(.timeLimit(.minutes(1))) struct ClientBacklogTests {
    let directory: TemporaryDirectory
    let context: Context
    /// Clients have a context of their own, as other processes would.
    let outside: Context
    private let ticks = (1...20_000).map { makeTick(UInt32($0)) }

    init() throws {
        directory = try TemporaryDirectory()
        context = try Context()
        outside = try Context()
    }

    private func question(_ id: Int) -> [[UInt8]] {
        let body = #"{"stream":"1.last","from":0,"limit":20000}"#
        return [Array("request".utf8), Array("\(id)".utf8), Array(body.utf8)]
    }

    /// Serves what has come until nothing comes for a while.
    private func serve(_ server: inout ReplayServer, _ source: inout ArraySource, _ most: inout Int64) throws {
        while try server.serve(timeoutMillis: 300, source: &source) != .nothing {
            most = max(most, server.backlogBytes)
        }
    }

    @Test func allTogetherAreBoundedAndTheGreediestGoesFirst() throws {
        let limit: Int64 = 8 << 20
        let page = Int64(ticks.count * Tick.size)
        var server = try ReplayServer(in: context, backlogBytes: limit)
        try server.bind(directory.endpoint("replay"))
        var source = ArraySource(ticks: ticks)
        var most: Int64 = 0
        // Each takes what the system's socket buffers and its own queue of one message hold, and no more.
        var greedy: [Asker] = []
        for _ in 0..<24 {
            let asker = Asker(try RawDealer(outside, directory.endpoint("replay"), highWaterMark: 1))
            for id in 0..<3 { try asker.socket.send(question(id)) }
            greedy.append(asker)
            try serve(&server, &source, &most)
        }
        #expect(most > limit / 2, "they do not read: \(most) bytes wait")
        // The limit is looked at before a page, and a page has a few messages around its ticks.
        #expect(most <= limit + 2 * page)
        // Who reads gets all.
        let honest = Asker(try RawDealer(outside, directory.endpoint("replay")))
        try honest.socket.send(question(1))
        var got: Int?
        let patience = Date().addingTimeInterval(20)
        while got == nil, Date() < patience {
            _ = try server.serve(timeoutMillis: 20, source: &source)
            got = try honest.recordsOfPage()
        }
        #expect(got == ticks.count)
        greedy.removeAll()
        let deadline = Date().addingTimeInterval(20)
        while server.backlogBytes > 0, Date() < deadline { try serve(&server, &source, &most) }
        #expect(server.backlogBytes == 0, "who has gone takes nothing any more")
    }
}
