import CZMQShim
import Foundation
@testable import Messaging
import Testing
import Ticks

@Suite(.timeLimit(.minutes(1))) struct PublishSubscribeTests {
    let directory: TemporaryDirectory
    let context: Context
    let buffer = ReceiveBuffer(Subscriber.tickPayloadBytes)

    init() throws {
        directory = try TemporaryDirectory()
        context = try Context()
    }

    @Test(arguments: ["ipc", "tcp", "inproc"]) func ticksArriveWholeAndInOrder(transport: String) throws {
        var publisher = try Publisher(in: context)
        let wanted =
            switch transport {
            case "ipc": directory.endpoint("ticks")
            case "tcp": "tcp://127.0.0.1:*"
            default: "inproc://ticks"
            }
        let endpoint = try publisher.bound(wanted)
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        try subscriber.subscribe("tick.")
        #expect(try publisher.subscriptions(1) == ["+tick."])

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

        var seen: [Tick] = []
        for _ in 0..<4 {
            let received = try subscriber.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
            #expect(received?.topic.description == "tick.1.bid_ask")
            #expect(received?.topic.hasPrefix("tick.1.") == true)
            #expect(received?.topic.hasPrefix("tick.1.bid_ask.") == false)
            #expect(received?.payloadBytes == 4096)
            seen += buffer.ticks(64)
        }
        #expect(seen == ticks)
        let further = try subscriber.receive(into: buffer.bytes, timeoutMillis: 0)
        #expect(further == nil)
    }

    @Test func aSubscriberThatDoesNotReadLosesAndNeverBlocksThePublisher() throws {
        var publisher = try Publisher(in: context, highWaterMark: 8)
        let endpoint = try publisher.bound(directory.endpoint("ticks"))
        var subscriber = try Subscriber(in: context, highWaterMark: 8)
        try subscriber.connect(endpoint)
        try subscriber.subscribe("tick.")
        #expect(try publisher.subscriptions(1).count == 1)

        // 64 MiB: far beyond both queues and the kernel's buffers. Returning at all is the claim.
        let topic = Topic("tick.1.bid_ask")
        let sent: UInt32 = 4096
        for message in 1...sent {
            let run = [Tick](repeating: makeTick(message), count: 256)
            try run.withUnsafeBytes { try publisher.publish(topic, $0) }
        }
        var numbers: [UInt32] = []
        while try subscriber.receive(into: buffer.bytes, timeoutMillis: 500) != nil {
            numbers.append(buffer.ticks(1)[0].seq)
        }
        #expect(numbers.count >= 8)
        #expect(numbers.count < Int(sent))
        #expect(numbers == numbers.sorted())
        // What is sent once it reads again arrives.
        try [makeTick(9999)].withUnsafeBytes { try publisher.publish(topic, $0) }
        _ = try subscriber.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
        #expect(buffer.ticks(1)[0].seq == 9999)
    }

    @Test func everySubscriptionIsToldAndTheLastEnd() throws {
        var publisher = try Publisher(in: context)
        let endpoint = try publisher.bound("inproc://ticks")
        do {
            var first = try Subscriber(in: context)
            try first.connect(endpoint)
            try first.subscribe("definition.")
            #expect(try publisher.subscriptions(1) == ["+definition."])
            var second = try Subscriber(in: context)
            try second.connect(endpoint)
            try second.subscribe("definition.")
            try second.subscribe("")
            #expect(try publisher.subscriptions(2) == ["+definition.", "+"])
            try second.unsubscribe("")
            #expect(try publisher.subscriptions(1) == ["-"])
        }
        #expect(try publisher.subscriptions(1) == ["-definition."])
    }

    @Test func aStormOfSubscriptionsComesInRounds() throws {
        var publisher = try Publisher(in: context)
        let endpoint = try publisher.bound("inproc://ticks")
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        for number in 0..<3000 { try subscriber.subscribe("tick.\(number).") }
        var rounds: [Int] = []
        while rounds.last != 0 {
            var count = 0
            try publisher.receiveSubscriptions { _, _ in count += 1 }
            rounds.append(count)
        }
        #expect(rounds == [1024, 1024, 952, 0])
    }

    @Test func aSubscriptionTooLongForAnyTopicIsSkipped() throws {
        var publisher = try Publisher(in: context)
        let endpoint = try publisher.bound("inproc://ticks")
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        try subscriber.subscribe(String(repeating: "x", count: 1000))
        try subscriber.subscribe("event")
        #expect(try publisher.subscriptions(1) == ["+event"])
    }

    @Test func aPayloadLongerThanTheBufferIsAnErrorAndTheNextOneArrives() throws {
        var publisher = try Publisher(in: context)
        let endpoint = try publisher.bound("inproc://ticks")
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        try subscriber.subscribe("")
        #expect(try publisher.subscriptions(1).count == 1)
        try publisher.publish(Topic("definition.1"), [UInt8](repeating: 0x20, count: 20000))
        try publisher.publish(Topic("event"), Array("{}".utf8))
        do throws(MessagingError) {
            _ = try subscriber.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
            Issue.record("a cut payload passed as a whole one")
        } catch {
            #expect(error.code == .truncated(have: 20000, room: Subscriber.tickPayloadBytes))
        }
        let next = try subscriber.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
        #expect(next?.payloadBytes == 2)
    }

    @Test func messagesThatAreNotTwoFramesAreErrors() throws {
        var publisher = try Socket(.publisher, in: context, highWaterMark: 10, maxFrameBytes: 1000)
        try publisher.bind("inproc://ticks")
        var subscriber = try Subscriber(in: context)
        try subscriber.connect("inproc://ticks")
        try subscriber.subscribe("")
        var poller = Poller()
        _ = poller.add(publisher)
        #expect(try poller.wait(timeoutMillis: Int(patienceMillis)) == 1)
        let none = czs_part(bytes: nil, count: 0)
        for count in [1, 3] {
            try publisher.send([czs_part](repeating: none, count: count))
            do throws(MessagingError) {
                _ = try subscriber.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
                Issue.record("\(count) frames passed")
            } catch {
                #expect(error.code == .malformed("\(count) frames instead of 2"))
            }
        }
    }

    @Test func aLongTopicKeepsItsBeginning() throws {
        var publisher = try Publisher(in: context)
        let endpoint = try publisher.bound("inproc://ticks")
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        try subscriber.subscribe("")
        #expect(try publisher.subscriptions(1).count == 1)
        try publisher.publish(Topic(String(repeating: "t", count: 100)), [1])
        let received = try subscriber.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
        #expect(received?.topic.description == String(repeating: "t", count: 64))
        #expect(received?.payloadBytes == 1)
    }

    @Test func theBatchGrowsAndEmpties() throws {
        var batch = PublishBatch(capacity: 1)
        let topic = Topic("t")
        for _ in 0..<100 { batch.add(topic, UnsafeRawBufferPointer(start: nil, count: 0)) }
        #expect(batch.count == 100)
        batch.removeAll()
        #expect(batch.count == 0)
        let publisher = try Publisher(in: context)
        try publisher.publish(batch)
    }

    @Test func garbageOnTheFeedsPortHarmsNobody() throws {
        var publisher = try Publisher(in: context)
        let endpoint = try publisher.bound("tcp://127.0.0.1:*")
        var random = SplitMix64(seed: 7)
        for _ in 0..<50 {
            let peer = try RawPeer(endpoint)
            peer.send(random.bytes(Int(random.next() % 300)))
        }
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        try subscriber.subscribe("tick.")
        var told: [String] = []
        // libzmq takes some garbage for peers of ZMTP 1, which it subscribes to everything.
        repeat { told = try publisher.subscriptions(1) } while !told.isEmpty && !told.contains("+tick.")
        #expect(told.contains("+tick."))
        try publisher.publish(Topic("tick.1.last"), [1])
        let received = try subscriber.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
        #expect(received?.payloadBytes == 1)
    }

    @Test func whatIsNoSubscriptionIsSkippedAndHugeFramesEndTheConnection() throws {
        var publisher = try Publisher(in: context)
        let peer = try RawPeer(try publisher.bound("tcp://127.0.0.1:*"))
        peer.greet(as: "SUB")
        peer.sendFrame([1] + Array("tick.".utf8))
        peer.sendFrame([7, 7, 7])
        peer.sendFrame([])
        peer.sendFrame([1] + Array("event".utf8))
        let told = try publisher.subscriptions(2)
        #expect(told == ["+tick.", "+event"])
        peer.send([2, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF])
        #expect(peer.isClosedByServer())
        let ended = try publisher.subscriptions(2).sorted()
        #expect(ended == ["-event", "-tick."])
    }
}
