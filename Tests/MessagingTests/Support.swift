import Foundation
import Messaging
import Synchronization
import Ticks

/// A directory of its own for one test's socket files, removed at the end.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "ibm-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func endpoint(_ name: String) -> String { "ipc://\(path)/\(name).sock" }
}

/// A thread whose end can be waited for.
final class TestThread: Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            body()
            self.done.signal()
        }
        thread.start()
    }

    /// False when it still runs after ten seconds.
    func join() -> Bool { done.wait(timeout: .now() + 10) == .success }
}

/// A failing answer to "does it happen within ten seconds".
let patienceMillis: Int32 = 10_000

extension Publisher {
    /// Waits until `count` subscriptions have come; false when they do not.
    mutating func waitForSubscriptions(_ count: Int) throws -> Bool {
        var poller = Poller()
        _ = poller.add(self)
        var seen = 0
        let deadline = Date().addingTimeInterval(10)
        while seen < count, Date() < deadline {
            _ = try poller.wait(timeoutMillis: 100)
            try receiveSubscriptions { subscribed, _ in seen += subscribed ? 1 : -1 }
        }
        return seen == count
    }
}

func makeTick(_ seq: UInt32, epoch: UInt32 = 7, conId: Int32 = 1, kind: TickKind = .bidAsk) -> Tick {
    Tick(
        key: TickKey(epoch: epoch, seq: seq), tsEventNanos: 1_000_000_000, tsRecvNanos: Int64(seq), conId: conId,
        kind: kind, body: QuoteBody(bidPrice: 1, askPrice: 2, bidSize: 3, askSize: Int64(seq)).body)
}
