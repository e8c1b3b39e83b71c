import Foundation
import Messaging
import Testing
import Ticks

@Suite(.timeLimit(.minutes(1))) struct PublishSubscribeTests {
    @Test(arguments: ["ipc", "tcp", "inproc"]) func ticksArriveWholeAndInOrder(transport: String) throws {
        let directory = try TemporaryDirectory()
        let context = try Context()
        var publisher = try Publisher(in: context)
        let wanted =
            switch transport {
            case "ipc": directory.endpoint("ticks")
            case "tcp": "tcp://127.0.0.1:*"
            default: "inproc://ticks"
            }
        try publisher.bind(wanted)
        let bound = publisher.lastEndpoint
        let endpoint = try #require(bound)
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        try subscriber.subscribe("tick.")
        let isSubscribed = try publisher.waitForSubscriptions(1)
        #expect(isSubscribed)

        let topic = Topic("tick.1.bid_ask")
        let ticks = (1...256).map { makeTick($0) }
        var batch = PublishBatch(capacity: 1)
        try ticks.withUnsafeBytes { bytes in
            for run in 0..<4 {
                batch.add(topic, UnsafeRawBufferPointer(rebasing: bytes[(run * 4096)..<((run + 1) * 4096)]))
            }
            try publisher.publish(batch)
        }
        try publisher.publish(Topic("event"), Array("{}".utf8))

        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 64)
        defer { buffer.deallocate() }
        var seen: [Tick] = []
        for _ in 0..<4 {
            let message = try subscriber.receive(into: buffer, timeoutMillis: patienceMillis)
            let received = try #require(message)
            #expect(received.topic.hasPrefix("tick.1."))
            #expect(received.payloadBytes == 4096)
            for index in 0..<64 { seen.append(Tick(decoding: UnsafeRawBufferPointer(buffer), at: index * 64)) }
        }
        #expect(seen == ticks)
        let nothing = try subscriber.receive(into: buffer, timeoutMillis: 0)
        #expect(nothing == nil)
    }
}
