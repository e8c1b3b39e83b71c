import Foundation
import Testing
import Ticks

@testable import Messaging

/// A socket whose file somebody removes.
@Suite(.timeLimit(.minutes(1))) struct SocketFileTests {
    let directory: TemporaryDirectory
    let context: Context

    init() throws {
        directory = try TemporaryDirectory()
        context = try Context()
    }

    private var path: String { directory.path + "/ticks.sock" }

    private func subscriber(to publisher: inout Publisher) throws -> Subscriber {
        var subscriber = try Subscriber(in: context)
        try subscriber.subscribe("")
        try subscriber.connect("ipc://" + path)
        #expect(try publisher.subscriptions(1) == ["+"])
        return subscriber
    }

    private func restored(_ publisher: inout Publisher, seconds: Int64) -> [(path: String, fault: String?)] {
        publisher.restoreFiles(nowNanos: seconds * 1_000_000_000)
    }

    private func hears(_ subscriber: borrowing Subscriber) throws -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Subscriber.longestPayloadBytes, alignment: 16)
        defer { buffer.deallocate() }
        return try subscriber.receive(into: buffer, timeoutMillis: 20_000) != nil
    }

    @Test func aRemovedFileComesBackAndOldConnectionsGoOn() throws {
        var publisher = try Publisher(in: context)
        try publisher.bind("ipc://" + path)
        let early = try subscriber(to: &publisher)
        let untouched = restored(&publisher, seconds: 1)
        #expect(untouched.isEmpty)
        unlink(path)
        let tooSoon = restored(&publisher, seconds: 1)
        #expect(tooSoon.isEmpty, "once a second")
        let news = restored(&publisher, seconds: 2)
        #expect(news.count == 1 && news[0].path == path && news[0].fault == nil)
        let late = try subscriber(to: &publisher)
        try publisher.publish(Topic("event"), [1])
        #expect(try hears(early))
        #expect(try hears(late))
    }

    @Test func aFileThatSomebodyPutThereIsNotTakenForTheOwn() throws {
        var publisher = try Publisher(in: context)
        try publisher.bind("ipc://" + path)
        unlink(path)
        try "".write(toFile: path, atomically: false, encoding: .utf8)
        let news = restored(&publisher, seconds: 1)
        #expect(news.map(\.path) == [path])
        let late = try subscriber(to: &publisher)
        try publisher.publish(Topic("event"), [1])
        #expect(try hears(late))
    }

    @Test func whatCantBeMadeAnewIsSaidOnceAndTriedAgain() throws {
        var publisher = try Publisher(in: context)
        try publisher.bind("ipc://" + path)
        unlink(path)
        // A directory in the socket's place can't be removed like a file.
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let first = restored(&publisher, seconds: 1)
        #expect(first.count == 1 && first[0].fault != nil)
        let second = restored(&publisher, seconds: 2)
        #expect(second.isEmpty, "said before")
        rmdir(path)
        let news = restored(&publisher, seconds: 3)
        #expect(news.count == 1 && news[0].fault == nil)
    }

    @Test func aDirectoryThatGoesWithItsSocketsComesBack() throws {
        let below = directory.path + "/run"
        try FileManager.default.createDirectory(atPath: below, withIntermediateDirectories: false)
        var server = try ControlServer(in: context)
        try server.bind("ipc://" + below + "/control.sock")
        try FileManager.default.removeItem(atPath: below)
        let news = server.restoreFiles(nowNanos: 1)
        #expect(news.count == 1 && news[0].fault == nil)
        #expect(access(below + "/control.sock", F_OK) == 0)
    }

    /// In a process of its own, where nothing else opens descriptors.
    @Test func removingItAgainAndAgainUsesUpNothing() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let path = directory.path + "/ticks.sock"
            let context = try Context()
            var publisher = try Publisher(in: context)
            try publisher.bind("ipc://" + path)
            func open() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
            let most = try open() + SocketFile.mostBindings
            for round in 1...200 as ClosedRange<Int64> {
                unlink(path)
                let news = publisher.restoreFiles(nowNanos: round * 1_000_000_000)
                precondition(news.count == 1 && news[0].fault == nil)
            }
            // The ended bindings are closed by libzmq's thread, in its own time.
            let deadline = Date().addingTimeInterval(20)
            while try open() > most, Date() < deadline { usleep(20_000) }
            let after = try open()
            precondition(after <= most)
            var subscriber = try Subscriber(in: context)
            try subscriber.subscribe("")
            try subscriber.connect("ipc://" + path)
            let told = try publisher.subscriptions(1)
            precondition(told == ["+"])
        }
    }

    /// Beyond the heartbeats' interval, at which libzmq aborted the process.
    @Test func aPeerThatGoesWhileItsMessagesWaitEndsNobody() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let (here, there) = (try Context(), try Context())
            let endpoint = "ipc://" + directory.path + "/ticks.sock"
            var publisher: Publisher? = try Publisher(in: there)
            try publisher?.bind(endpoint)
            var subscriber = try Subscriber(in: here, highWaterMark: 1)
            try subscriber.subscribe("")
            try subscriber.connect(endpoint)
            let told = try publisher?.subscriptions(1)
            precondition(told == ["+"])
            // Far more than the subscriber's queue and the system's buffers take.
            let payload = [UInt8](repeating: 7, count: 16_384)
            for _ in 0..<2_000 { try publisher?.publish(Topic("tick.1.last"), payload) }
            usleep(500_000)
            publisher = nil
            sleep(7)
            subscriber = try Subscriber(in: here)
        }
    }

    @Test func theFileGoesWithItsSocketAndNobodyElsesDoes() throws {
        do {
            var publisher = try Publisher(in: context)
            try publisher.bind("ipc://" + path)
        }
        #expect(access(path, F_OK) != 0)
        do {
            var publisher = try Publisher(in: context)
            try publisher.bind("ipc://" + path)
            unlink(path)
            try "mine".write(toFile: path, atomically: false, encoding: .utf8)
        }
        #expect(access(path, F_OK) == 0)
    }
}
