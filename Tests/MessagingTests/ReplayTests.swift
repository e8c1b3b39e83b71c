import CZMQShim
import Foundation
@testable import Messaging
import Synchronization
import Testing
import Ticks

/// Records of stream 1; those below `goneBelow` are gone.
struct ArraySource: ReplaySource {
    var ticks: [Tick]
    var goneBelow = TickKey.zero
    /// Records given to the sink at once.
    var runLength = 1000

    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey {
        guard request.stream.conId == 1 else { throw ReplayRefusal("no such stream") }
        var from = TickKey.zero
        switch request.from {
        case .key(let key): from = key
        case .time(let nanos):
            guard let first = ticks.first(where: { $0.tsRecvNanos >= nanos }) else { return .zero }
            from = first.key
        }
        if from < goneBelow {
            sink.gone(first: goneBelow)
            from = goneBelow
        }
        let page = ticks.filter { $0.key >= from }.prefix(request.limit)
        for start in stride(from: page.startIndex, to: page.endIndex, by: runLength) {
            let isOpen = page[start..<min(start + runLength, page.endIndex)].withUnsafeBytes { sink.send($0) }
            guard isOpen else { break }
        }
        return page.last?.key.next ?? from
    }

    /// Set by the tests of the question for gaps.
    var gapsBytes = 0

    mutating func gaps(of stream: StreamID) throws(ReplayRefusal) -> [UInt8] {
        guard stream.conId == 1 else { throw ReplayRefusal("no such stream") }
        return [UInt8](repeating: 0x20, count: gapsBytes) + Array(#"{"last":0}"#.utf8)
    }
}

/// A replay server on a thread of its own until the context is shut down; keeps what each `serve` did.
final class ReplayServerThread: Sendable {
    private let log = Mutex<[ReplayServer.Served]>([])
    private let endpointText = Mutex("")
    let thread: Mutex<TestThread?> = Mutex(nil)

    init(_ context: Context, _ endpoint: String, _ source: ArraySource) {
        let ready = DispatchSemaphore(value: 0)
        let thread = TestThread { [self] in
            do throws(MessagingError) {
                var server = try ReplayServer(in: context)
                try server.bind(endpoint)
                let bound = server.lastEndpoint ?? endpoint
                endpointText.withLock { $0 = bound }
                ready.signal()
                var source = source
                while true {
                    let served = try server.serve(timeoutMillis: -1, source: &source)
                    log.withLock { $0.append(served) }
                }
            } catch {
                if error.code != .contextClosed { Issue.record(error) }
            }
        }
        self.thread.withLock { $0 = thread }
        ready.wait()
    }

    var endpoint: String { endpointText.withLock { $0 } }

    /// Waits until `count` requests were served and tells what became of them.
    func served(_ count: Int) -> [ReplayServer.Served] {
        let deadline = Date().addingTimeInterval(10)
        while Date() < deadline {
            let soFar = log.withLock { $0 }
            if soFar.count >= count { return soFar }
            usleep(1000)
        }
        return log.withLock { $0 }
    }

    func join() -> Bool { thread.withLock { $0 }?.join() ?? false }
}

/// An answer whose records outlive the client's next call.
enum KeptAnswer: Equatable {
    case batch([TickKey])
    case end(TickKey)
    case gone(TickKey)
    case gaps(String)
    case error(String)

    init(_ answer: ReplayAnswer) {
        switch answer {
        case .batch(let ticks): self = .batch(ticks.map(\.key))
        case .end(let next): self = .end(next)
        case .gone(let first): self = .gone(first)
        case .gaps(let body): self = .gaps(String(decoding: body, as: UTF8.self))
        case .error(let text): self = .error(text)
        }
    }
}

let stream1 = StreamID(conId: 1, kind: .bidAsk)

@Suite(.timeLimit(.minutes(1))) struct ReplayTests {
    let directory: TemporaryDirectory
    let context: Context

    init() throws {
        directory = try TemporaryDirectory()
        context = try Context()
    }

    private func key(_ seq: UInt32) -> TickKey { TickKey(epoch: 7, seq: seq) }

    /// One page: all answers until its end.
    private func page(
        _ client: inout ReplayClient, _ request: ReplayRequest
    ) throws(MessagingError) -> [KeptAnswer] {
        guard try client.request(request, timeoutMillis: patienceMillis) else { return [] }
        var answers: [KeptAnswer] = []
        while client.isOpen {
            guard let answer = try client.receive(timeoutMillis: patienceMillis) else { return answers }
            answers.append(KeptAnswer(answer))
        }
        return answers
    }

    @Test func pagesJoinWithoutHoleOrRepeat() throws {
        let ticks = (1...1000).map { makeTick($0) }
        let server = ReplayServerThread(context, directory.endpoint("replay"), ArraySource(ticks: ticks, runLength: 7))
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        var seen: [TickKey] = []
        var from = TickKey.zero
        var sizes: [Int] = []
        repeat {
            let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(from), limit: 300))
            let before = seen.count
            for case .batch(let keys) in answers { seen += keys }
            guard case .end(let next) = answers.last else {
                Issue.record("no end")
                return
            }
            from = next
            sizes.append(seen.count - before)
        } while sizes.last != 0
        #expect(seen == ticks.map(\.key))
        #expect(sizes == [300, 300, 300, 100, 0])
        context.shutdown()
        #expect(server.join())
    }

    @Test func shortRunsAreGatheredIntoFullMessages() throws {
        let ticks = (1...600).map { makeTick($0) }
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: ticks, runLength: 1))
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(.zero)))
        #expect(answers.map { if case .batch(let keys) = $0 { keys.count } else { 0 } } == [256, 256, 88, 0])
    }

    @Test func aTickAndItsRestAreNeverParted() throws {
        // A tick at 255 with three `more` records would be cut by the message's end.
        let ticks = (UInt32(1)...520).map { (seq: UInt32) -> Tick in
            var tick = makeTick(seq)
            if (256...258).contains(seq) || (512...515).contains(seq) { tick.kindByte = TickKind.more.rawValue }
            return tick
        }
        for runLength in [1, 3, 255, 256, 1000] {
            let context = try Context()
            let source = ArraySource(ticks: ticks, runLength: runLength)
            let server = ReplayServerThread(context, "inproc://replay", source)
            var client = try ReplayClient(in: context)
            try client.connect(server.endpoint)
            let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(.zero)))
            let batches = answers.compactMap { if case .batch(let keys) = $0 { keys.map(\.seq) } else { nil } }
            #expect(batches.map(\.first) == [1, 255, 511])
            #expect(batches.flatMap { $0 } == Array(UInt32(1)...520))
            context.shutdown()
            #expect(server.join())
        }
    }

    @Test func goneComesBeforeTheRecords() throws {
        let ticks = (500...510).map { makeTick($0) }
        let source = ArraySource(ticks: ticks, goneBelow: key(500))
        let server = ReplayServerThread(context, "inproc://replay", source)
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(key(3)), limit: 2))
        #expect(answers == [.gone(key(500)), .batch([key(500), key(501)]), .end(key(502))])
    }

    @Test func timesAreAskedForToo() throws {
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: (1...9).map { makeTick($0) }))
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        let answers = try page(&client, ReplayRequest(stream: stream1, from: .time(nanos: 8)))
        #expect(answers == [.batch([key(8), key(9)]), .end(key(10))])
    }

    @Test func aRefusalEndsThePageWithTheServersWords() throws {
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: []))
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        let other = StreamID(conId: 2, kind: .last, source: 3)
        #expect(try page(&client, ReplayRequest(stream: other, from: .key(.zero))) == [.error("no such stream")])
        #expect(server.served(1) == [.refused("no such stream")])
    }

    @Test func gapsAreAnsweredInOneFrameHoweverMany() throws {
        var source = ArraySource(ticks: [makeTick(1)])
        source.gapsBytes = ReplayClient.longestGapsBytes - 10
        let server = ReplayServerThread(context, directory.endpoint("replay"), source)
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        _ = try client.requestGaps(of: stream1, timeoutMillis: patienceMillis)
        guard case .gaps(let body) = try client.receive(timeoutMillis: patienceMillis) else {
            Issue.record("no gaps came")
            return
        }
        #expect(body.count == ReplayClient.longestGapsBytes && body.last == UInt8(ascii: "}"))
        let isOpen = client.isOpen
        #expect(!isOpen)
        _ = try client.requestGaps(of: StreamID(conId: 2, kind: .last), timeoutMillis: patienceMillis)
        let refused = try client.receive(timeoutMillis: patienceMillis)
        #expect(refused.map { KeptAnswer($0) } == .error("no such stream"))
        #expect(server.served(2) == [.gaps, .refused("no such stream")])
        // Pages go on as before.
        let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(.zero)))
        #expect(answers == [.batch([key(1)]), .end(key(2))])
    }

    @Test func limitsAreHeldWithinTheirBounds() {
        #expect(ReplayRequest(stream: stream1, from: .key(.zero), limit: 0).limit == 1)
        #expect(ReplayRequest(stream: stream1, from: .key(.zero), limit: .max).limit == 65536)
    }

    @Test func aRequestWithoutAConnectionIsNotSent() throws {
        var client = try ReplayClient(in: context)
        try client.connect(directory.endpoint("nobody"))
        let isSent = try client.request(ReplayRequest(stream: stream1, from: .key(.zero)), timeoutMillis: 20)
        #expect(!isSent)
        let isOpen = client.isOpen
        #expect(!isOpen)
        let nothing = try client.receive(timeoutMillis: 0)
        #expect(nothing.map { KeptAnswer($0) } == nil)
        // As soon as somebody is there, the next attempt goes through; the failed one was not kept.
        let server = ReplayServerThread(context, directory.endpoint("nobody"), ArraySource(ticks: [makeTick(1)]))
        let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(.zero)))
        #expect(answers == [.batch([key(1)]), .end(key(2))])
        #expect(server.served(1).count == 1)
    }

    @Test func lateAnswersToAnEarlierRequestAreDropped() throws {
        let router = try RawRouter(context, "inproc://replay")
        var client = try ReplayClient(in: context)
        try client.connect("inproc://replay")
        _ = try client.request(ReplayRequest(stream: stream1, from: .key(key(1))), timeoutMillis: patienceMillis)
        let first = try router.receive()
        // Nothing came in time: asks anew.
        let early = try client.receive(timeoutMillis: 1)
        #expect(early.map { KeptAnswer($0) } == nil)
        _ = try client.request(ReplayRequest(stream: stream1, from: .key(key(5))), timeoutMillis: patienceMillis)
        let second = try router.receive()
        #expect(first[2] != second[2])
        try router.send([first[0], Array("batch".utf8), first[2], makeTick(1).bytes])
        try router.send([first[0], Array("end".utf8), first[2], Array(#"{"next":2}"#.utf8)])
        try router.send([second[0], Array("batch".utf8), second[2], makeTick(5).bytes])
        try router.send([second[0], Array("end".utf8), second[2], Array("{\"next\":\(key(6).rawValue)}".utf8)])
        let answer = try client.receive(timeoutMillis: patienceMillis)
        #expect(answer.map { KeptAnswer($0) } == .batch([key(5)]))
        let stale = client.staleAnswers
        #expect(stale == 2)
        let end = try client.receive(timeoutMillis: patienceMillis)
        #expect(end.map { KeptAnswer($0) } == .end(key(6)))
        let isOpen = client.isOpen
        #expect(!isOpen)
    }

    @Test func aPageGivenUpIsDropped() throws {
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: (1...9).map { makeTick($0) }))
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        _ = try client.request(ReplayRequest(stream: stream1, from: .key(.zero)), timeoutMillis: patienceMillis)
        client.cancel()
        #expect(server.served(1) == [.page(records: 9)])
        let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(key(9))))
        #expect(answers == [.batch([key(9)]), .end(key(10))])
        let stale = client.staleAnswers
        #expect(stale == 2)
    }

    @Test(arguments: [
        (["batch", "ID", "abc"], "a batch of 3 bytes"), (["batch", "ID", ""], "a batch of 0 bytes"),
        (["end", "ID", "{}"], "no key `next`"), (["gone", "ID", #"{"first":-1}"#], "no key `first`"),
        (["what", "ID", ""], "an answer of unknown type"), (["end"], "1 frames instead of 3"),
        (["a type far too long to be one", "ID", ""], "a frame is too long"),
    ])
    func answersThatNoServerSendsAreErrors(frames: [String], reason: String) throws {
        let router = try RawRouter(context, "inproc://replay")
        var client = try ReplayClient(in: context)
        try client.connect("inproc://replay")
        _ = try client.request(ReplayRequest(stream: stream1, from: .key(.zero)), timeoutMillis: patienceMillis)
        let request = try router.receive()
        try router.send([request[0]] + frames.map { $0 == "ID" ? request[2] : Array($0.utf8) })
        do throws(MessagingError) {
            _ = try client.receive(timeoutMillis: patienceMillis)
            Issue.record("\(frames) passed")
        } catch {
            #expect(error.code == .malformed(reason))
        }
    }

    @Test func aClientThatReadsEachPageIsNeverTakenForGone() throws {
        // As many messages as a page can have: libzmq tells the server only by half queues what was read.
        let ticks = (1...65536).map { makeTick(UInt32($0)) }
        let server = ReplayServerThread(context, directory.endpoint("replay"), ArraySource(ticks: ticks))
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        for _ in 0..<12 {
            let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(.zero)))
            #expect(answers.count == 257 && answers.last == .end(key(65537)))
        }
        #expect(server.served(12) == [ReplayServer.Served](repeating: .page(records: 65536), count: 12))
    }

    @Test func aClientThatVanishesOrDoesNotReadHoldsNobodyUp() throws {
        let ticks = (1...65536).map { makeTick(UInt32($0)) }
        let server = ReplayServerThread(context, directory.endpoint("replay"), ArraySource(ticks: ticks))
        for _ in 0..<3 {
            var client = try ReplayClient(in: context)
            try client.connect(server.endpoint)
            _ = try client.request(ReplayRequest(stream: stream1, from: .key(.zero)), timeoutMillis: patienceMillis)
        }
        // Far more pages than its queue holds, and it reads none.
        let deaf = try RawDealer(context, server.endpoint, highWaterMark: 40)
        let text = Array(#"{"id":1,"stream":"1.bid_ask","from":0}"#.utf8)
        for _ in 0..<30 { try deaf.send([text]) }
        var client = try ReplayClient(in: context)
        try client.connect(server.endpoint)
        let answers = try page(&client, ReplayRequest(stream: stream1, from: .key(key(65536))))
        #expect(answers == [.batch([key(65536)]), .end(key(65537))])
        let served = server.served(34)
        #expect(served.contains(.clientGone))
        #expect(served.contains(.page(records: 1)))
        _ = try deaf.receive()
    }

    @Test func theOneFrameFormIsAnsweredAlike() throws {
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: [makeTick(1)]))
        let dealer = try RawDealer(context, server.endpoint)
        try dealer.send([Array(#"{"id":"q-1","stream":"1.bid_ask","from":0,"limit":5}"#.utf8)])
        #expect(try dealer.receive() == [Array("batch".utf8), Array("q-1".utf8), makeTick(1).bytes])
        let next = Array("{\"next\":\(key(2).rawValue)}".utf8)
        #expect(try dealer.receive() == [Array("end".utf8), Array("q-1".utf8), next])
        try dealer.send([Array(#"{"id":17,"stream":"1.bid_ask","from":0,"limit":5}"#.utf8)])
        #expect(try dealer.receive()[1] == Array("17".utf8))
    }

    @Test(arguments: [
        ("", "not JSON"), ("[]", "not an object"), (#"{"from":0}"#, "`stream`"),
        (#"{"stream":"x","from":0}"#, "`stream`"), (#"{"stream":7,"from":0}"#, "`stream`"),
        (#"{"stream":"1.bid_ask"}"#, "neither"), (#"{"stream":"1.bid_ask","from":-1}"#, "`from`"),
        (#"{"stream":"1.bid_ask","from":1.5}"#, "`from`"), (#"{"stream":"1.bid_ask","from":"1"}"#, "`from`"),
        (#"{"stream":"1.bid_ask","from":0,"from_time":"2025-01-01T00:00:00Z"}"#, "both"),
        (#"{"stream":"1.bid_ask","from_time":"yesterday"}"#, "`from_time`"),
        (#"{"stream":"1.bid_ask","from":0,"limit":0}"#, "`limit`"),
        (#"{"stream":"1.bid_ask","from":0,"limit":"9"}"#, "`limit`"), (#"{"stream":"x","gaps":true}"#, "`stream`"),
        (#"{"stream":"1.bid_ask","gaps":1}"#, "`gaps`"), (#"{"stream":"1.bid_ask","gaps":true,"from":0}"#, "both"),
    ])
    func malformedRequestsGetAnErrorThatNamesTheMistake(text: String, mistake: String) throws {
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: [makeTick(1)]))
        let dealer = try RawDealer(context, server.endpoint)
        try dealer.send([Array("request".utf8), Array("5".utf8), Array(text.utf8)])
        let answer = try dealer.receive()
        #expect(answer.prefix(2) == [Array("error".utf8), Array("5".utf8)])
        #expect(String(decoding: answer.last ?? [], as: UTF8.self).contains(mistake))
    }

    @Test func framesThatAreNoRequestGetAnError() throws {
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: [makeTick(1)]))
        let dealer = try RawDealer(context, server.endpoint)
        let body = Array(#"{"stream":"1.bid_ask","from":0}"#.utf8)
        let long = [UInt8](repeating: 0x20, count: 3000)
        for frames in [
            [Array("what".utf8), [1], body], [body, body], [[], [], [], []], [Array("request".utf8), long, body],
            [long, [9]],
        ] {
            try dealer.send(frames)
            #expect(try dealer.receive().first == Array("error".utf8))
        }
    }

    @Test func randomBytesAreAnsweredByErrorsAndTheServerLives() throws {
        let server = ReplayServerThread(context, "inproc://replay", ArraySource(ticks: [makeTick(1)]))
        let dealer = try RawDealer(context, server.endpoint)
        var random = SplitMix64(seed: 3)
        let valid = Array(#"{"id":3,"stream":"1.bid_ask","from":0,"from_time":"2025-01-01T00:00:00Z"}"#.utf8)
        for round in 0..<2000 {
            var frames = (0..<(1 + Int(random.next() % 4))).map { _ in random.bytes(Int(random.next() % 80)) }
            if round % 2 == 0 {
                // A valid request with a few bytes changed reaches deeper.
                var text = valid
                for _ in 0..<(1 + random.next() % 4) {
                    text[Int(random.next() % UInt64(text.count))] = UInt8(truncatingIfNeeded: random.next())
                }
                frames = [text]
            }
            try dealer.send(frames)
            var type: [UInt8]
            repeat { type = try dealer.receive()[0] } while type != Array("error".utf8) && type != Array("end".utf8)
        }
        #expect(server.served(2000).count == 2000)
    }
}
