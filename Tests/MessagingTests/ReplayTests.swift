import Foundation
import Messaging
import Synchronization
import Testing
import Ticks

/// Records 1 to `count` of one stream; those below `first` are gone.
struct ArraySource: ReplaySource {
    var ticks: [Tick]
    var goneBelow = TickKey.zero

    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey {
        guard request.stream.conId == 1 else { throw ReplayRefusal("no such stream") }
        var from = TickKey.zero
        switch request.from {
        case .key(let key): from = key
        case .time(let nanos): from = ticks.first { $0.tsRecvNanos >= nanos }?.key ?? TickKey(rawValue: .max)
        }
        if from < goneBelow {
            sink.gone(first: goneBelow)
            from = goneBelow
        }
        let page = ticks.filter { $0.key >= from }.prefix(request.limit)
        page.withUnsafeBytes { _ = sink.send($0) }
        return page.last?.key.next ?? from
    }
}

/// A replay server on a thread of its own until the context is shut down.
func startReplayServer(_ context: Context, _ endpoint: String, _ source: ArraySource) -> TestThread {
    let ready = DispatchSemaphore(value: 0)
    let thread = TestThread {
        do throws(MessagingError) {
            var server = try ReplayServer(in: context)
            try server.bind(endpoint)
            ready.signal()
            var source = source
            while true { _ = try server.serve(timeoutMillis: -1, source: &source) }
        } catch {
            if error.code != .contextClosed { Issue.record(error) }
        }
    }
    ready.wait()
    return thread
}

@Suite(.timeLimit(.minutes(1))) struct ReplayTests {
    @Test func pagesJoinWithoutHoleOrRepeat() throws {
        let directory = try TemporaryDirectory()
        let context = try Context()
        let ticks = (1...1000).map { makeTick($0) }
        let thread = startReplayServer(context, directory.endpoint("replay"), ArraySource(ticks: ticks))
        do {
            var client = try ReplayClient(in: context)
            try client.connect(directory.endpoint("replay"))
            var seen: [Tick] = []
            var from = TickKey.zero
            var isOver = false
            while !isOver {
                let stream = StreamID(conId: 1, kind: .bidAsk)
                let isSent = try client.request(
                    ReplayRequest(stream: stream, from: .key(from), limit: 300), timeoutMillis: patienceMillis)
                #expect(isSent)
                let before = seen.count
                while client.isOpen {
                    switch try client.receive(timeoutMillis: patienceMillis) {
                    case .batch(let records): seen.append(contentsOf: records)
                    case .end(let next): from = next
                    case .gone, .error, nil: Issue.record("unexpected answer")
                    }
                }
                isOver = seen.count == before
            }
            #expect(seen == ticks)
        }
        context.shutdown()
        #expect(thread.join())
    }
}
