import Foundation
import Testing

@testable import ServiceKit

@Suite struct HeartbeatTests {
    @Test func aBeatIsEarnedByEveryLoop() {
        let a = ProgressCounter("a")
        let b = ProgressCounter("b")
        var beat = EarnedBeat()
        beat.add(a)
        beat.add(b)
        #expect(beat.look(nowNanos: 0, intervalNanos: 10) == .missing(["a", "b"]))
        a.advance()
        #expect(beat.look(nowNanos: 1, intervalNanos: 10) == .missing(["b"]))
        b.advance()
        #expect(beat.look(nowNanos: 2, intervalNanos: 10) == .earned(diskWaitNanos: 0))
        a.advance()
        b.advance()
        #expect(beat.look(nowNanos: 11, intervalNanos: 10) == .notYetDue)
        #expect(beat.look(nowNanos: 12, intervalNanos: 10) == .earned(diskWaitNanos: 0))
        #expect(beat.look(nowNanos: 22, intervalNanos: 10) == .missing(["a", "b"]), "progress counts once")
    }

    @Test func aLoopInsideADiskCallIsSlowNotHanging() {
        let counter = ProgressCounter("write")
        var beat = EarnedBeat()
        beat.add(counter)
        counter.duringDiskCall {
            let later = bootNanos() + 3_000_000_000
            guard case .earned(let wait) = beat.look(nowNanos: later, intervalNanos: 10) else {
                Issue.record("no beat")
                return
            }
            #expect(wait >= 3_000_000_000)
        }
        #expect(counter.diskWaitNanos(nowNanos: bootNanos()) == 0)
        #expect(counter.value == 1)
    }

    @Test func aNotificationArrivesWithItsSender() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/notify.sock"
        var receiver = try NotifyReceiver(path: path)
        var sender = try HeartbeatSender(notifySocket: path, environment: [:])
        sender.send(Notification(["WATCHDOG": "1", "STATUS": "all\nwell", "X_IB_NONCE": "7"]))
        let arrival = receiver.next()
        #expect(arrival?.pid == getpid())
        #expect(arrival?.notification["WATCHDOG"] == "1")
        #expect(arrival?.notification["STATUS"] == "all well")
        #expect(arrival?.notification["X_IB_NONCE"] == "7")
        #expect(receiver.next() == nil)
    }

    @Test func aReceiverWhoseFileVanishesIsFoundAgain() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/notify.sock"
        var receiver = try NotifyReceiver(path: path)
        let descriptor = receiver.fileDescriptor
        var sender = try HeartbeatSender(notifySocket: path, environment: [:])
        let untouched = receiver.restoreFile(nowNanos: 1)
        #expect(untouched.isEmpty)
        unlink(path)
        let tooSoon = receiver.restoreFile(nowNanos: 2)
        #expect(tooSoon.isEmpty, "once a second")
        let news = receiver.restoreFile(nowNanos: 2_000_000_000)
        #expect(news.count == 1 && news[0].path == path && news[0].fault == nil)
        // Somebody else's socket at the path is not the own one, nor is one that may look like it.
        unlink(path)
        let other = try NotifyReceiver(path: path)
        let replaced = receiver.restoreFile(nowNanos: 4_000_000_000)
        #expect(replaced.count == 1)
        let forced = receiver.bindAnew()
        #expect(forced.count == 1)
        #expect(receiver.fileDescriptor == descriptor, "whoever waits for it goes on waiting")
        sender.send(Notification(["WATCHDOG": "1"]))
        #expect(receiver.next()?.notification["WATCHDOG"] == "1")
        _ = consume other
        #expect(access(path, F_OK) == 0, "the other removes its own file only")
    }

    @Test func aReceiverThatDoesNotReadOrIsAwayNeverHoldsTheSenderUp() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/notify.sock"
        var sender = try HeartbeatSender(notifySocket: path, environment: [:])
        sender.send(Notification(["WATCHDOG": "1"]))
        #expect(sender.missed == 1)
        var receiver = try NotifyReceiver(path: path)
        // Far more than the queue holds; libsystemd's sender would stop here for ever.
        for _ in 0..<2000 { sender.send(Notification(["WATCHDOG": "1"])) }
        #expect(sender.missed > 1000)
        var received = 0
        while receiver.next() != nil { received += 1 }
        #expect(received > 0 && received + sender.missed == 2001)
    }

    @Test func aNewReceiverIsFoundByItsPath() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/notify.sock"
        var sender = try HeartbeatSender(notifySocket: path, environment: [:])
        var first: NotifyReceiver? = try NotifyReceiver(path: path)
        sender.send(Notification(["READY": "1"]))
        _ = consume first
        first = nil
        var second = try NotifyReceiver(path: path)
        sender.send(Notification(["WATCHDOG": "1"]))
        #expect(second.next()?.notification["WATCHDOG"] == "1")
    }

    @Test func whatIsNoNotificationIsCountedAndDropped() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/notify.sock"
        var receiver = try NotifyReceiver(path: path)
        let socket = Foundation.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        for bytes in [[UInt8]("no equals".utf8), [0xFF, 0xFE], [UInt8](repeating: 65, count: 5000)] {
            let sent = UnixAddress.with(path) { address, length in
                bytes.withUnsafeBytes { sendto(socket, $0.baseAddress, $0.count, 0, address, length) }
            }
            #expect(sent == bytes.count)
        }
        var sender = try HeartbeatSender(notifySocket: path, environment: [:])
        sender.send(Notification(["READY": "1"]))
        #expect(receiver.next()?.notification["READY"] == "1")
        #expect(receiver.refused == 3)
    }

    @Test func aNotificationStaysWithinItsBound() {
        var notification = Notification(["WATCHDOG": "1"])
        for index in 0..<200 { notification.add("X_IB_FIELD\(index)", String(repeating: "v", count: 100)) }
        #expect(notification.text.utf8.count <= Notification.maxBytes)
        #expect(notification["WATCHDOG"] == "1")
    }
}
