import Foundation
import Messaging
import TWS
import Testing
import TickStore
public import Ticks

@testable import Connector

/// A directory that goes away with the test; its path is short, since sockets lie in it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = "/tmp/ibconn-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: path + "/" + name, atomically: false, encoding: .utf8)
    }

    func text(_ name: String) throws -> String { try String(contentsOfFile: path + "/" + name, encoding: .utf8) }
}

extension ContractID: ExpressibleByIntegerLiteral {
    public init(integerLiteral conId: Int32) { self.init(conId: conId) }
}

let quotes = StreamID(conId: 7, kind: .bidAsk)
let trades = StreamID(conId: 7, kind: .last)
let someNanos: Int64 = 1_795_000_000_000_000_000

/// A quote or trade as the gateway sends it, without the length in front.
func message(
    _ request: Int32, _ stream: StreamID = quotes, price: Int64 = 1, exchange: String = "CME", secondsLater: Int64 = 0
) -> [UInt8] {
    var more = MoreTexts()
    if exchange.utf8.count > 10 { more.add(.exchange, Array(exchange.utf8.dropFirst(10))) }
    let units = price * 1_000_000_000
    let body =
        stream.kind == .bidAsk
        ? QuoteBody(bidPrice: units, askPrice: units, bidSize: units, askSize: units).body
        : TradeBody(price: units, size: units, exchange: Array(exchange.utf8.prefix(10))).body
    var tick = Tick(tsEventNanos: someNanos + secondsLater * 1_000_000_000, kind: stream.kind, body: body)
    if !more.isEmpty { tick.flags.insert(.moreFollows) }
    var bytes: [UInt8] = []
    TickByTickCodec.encode(tick, more: more, requestId: request, to: &bytes)
    return Array(bytes.dropFirst(4))
}

extension TickPath {
    /// Where one clock is all there is.
    mutating func beginRead(atNanos now: Int64) { beginRead(atNanos: now, steadyNanos: now) }
}

/// A tick path with a real journal in a directory, and a subscriber that hears all it publishes.
struct Bench: ~Copyable {
    let directory: TemporaryDirectory
    let context: Context
    var path: TickPath
    var subscriber: Subscriber

    init(epoch: UInt32 = 100, journalBytes: UInt64 = 256 << 10) throws {
        let directory = try TemporaryDirectory()
        let context = try Context()
        let journal = try Journal(
            directory: directory.path + "/journal", sizeBytes: journalBytes, segmentBytes: 64 << 10)
        var publisher = try Publisher(in: context)
        let endpoint = "ipc://" + directory.path + "/ticks.sock"
        try publisher.bind(endpoint)
        var subscriber = try Subscriber(in: context)
        try subscriber.subscribe("")
        try subscriber.connect(endpoint)
        var path = TickPath(capacity: 8, epoch: epoch, journal: journal, publisher: publisher)
        let deadline = Date().addingTimeInterval(30)
        var isHeard = false
        while !isHeard, Date() < deadline { try path.receiveSubscriptions { subscribed, _ in isHeard = subscribed } }
        try #require(isHeard)
        self.directory = directory
        self.context = context
        self.path = path
        self.subscriber = subscriber
    }

    mutating func add(_ stream: StreamID) throws -> Int {
        let slot = path.addStream(stream)
        return try #require(slot)
    }

    mutating func take(_ body: [UInt8]) throws { try body.withUnsafeBytes { try path.accept($0) } }

    /// The next published message: its topic and records.
    func nextMessage() throws -> (topic: String, records: [Tick]) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        let received = try #require(try subscriber.receive(into: buffer, timeoutMillis: 30_000))
        let payload = UnsafeRawBufferPointer(rebasing: buffer[..<received.payloadBytes])
        return (received.topic.description, Array(payload.bindMemory(to: Tick.self)))
    }

    /// What was published, but for the first record of each epoch.
    func records(atLeast count: Int) throws -> [Tick] {
        var all: [Tick] = []
        while all.count < count { all += try nextMessage().records.filter { $0.chain == nil } }
        return all
    }

    /// What the journal has, but for the first record of each epoch.
    func journaled(_ stream: StreamID) throws -> [Tick] {
        try journaledWithChain(stream).filter { $0.chain == nil }
    }

    func journaledWithChain(_ stream: StreamID) throws -> [Tick] {
        var reader = JournalReader(directory: directory.path + "/journal")
        var all: [Tick] = []
        let page = try reader.read(stream, from: .zero, limit: .max) { all += $0 }
        if let first = page.goneFirst { _ = try reader.read(stream, from: first, limit: .max) { all += $0 } }
        return all
    }
}
