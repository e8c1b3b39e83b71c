internal import CZMQShim
internal import Glibc
internal import JSON
public import Ticks

/// Where a `ReplaySource` puts the records of one page: gathers them into messages of up to 256 and sends those.
///
/// Runs of any length may be given; a tick and its `more` records stay in one message.
public struct ReplaySink: ~Copyable {
    private let socket: OpaquePointer
    private let routing: UnsafeRawBufferPointer
    /// Nil: it was cut off, and gets nothing.
    private let client: ClientBacklogs.Client?
    private let staging: UnsafeMutableRawPointer
    private var staged = 0
    /// Where in the staging buffer the last tick begins that `more` records may follow.
    private var groupStart = 0
    /// What every answer of this page carries as its id.
    var id: [UInt8] = []
    /// The errno value of the first failed send; nothing is sent after it.
    private(set) var failure: Int32 = 0
    /// Records taken so far.
    public private(set) var records = 0

    init(
        socket: OpaquePointer, routing: UnsafeRawBufferPointer, client: ClientBacklogs.Client?,
        staging: UnsafeMutableRawPointer
    ) {
        self.socket = socket
        self.routing = routing
        self.client = client
        self.staging = staging
        if client == nil { failure = EHOSTUNREACH }
    }

    /// False once the client has gone or does not read: stop reading for it.
    public var isOpen: Bool { failure == 0 }

    /// Tells the client that the wanted key is gone and which is the first that there is. Before any record.
    public mutating func gone(first: TickKey) {
        precondition(records == 0, "`gone` comes before the records")
        var writer = JSONWriter()
        writer.object { $0.field("first", first.rawValue) }
        send(ReplayFrame.gone, writer.bytes)
    }

    /// Takes whole records of the stream, in key order. False when the client has gone.
    @discardableResult
    public mutating func send(_ bytes: UnsafeRawBufferPointer) -> Bool {
        precondition(bytes.count % Tick.size == 0, "whole records")
        guard let start = bytes.baseAddress else { return isOpen }
        for offset in stride(from: 0, to: bytes.count, by: Tick.size) {
            let isMore = bytes[offset + 28] == TickKind.more.rawValue
            if !isMore { groupStart = staged }
            if staged == Subscriber.tickPayloadBytes { flushGroups() }
            (staging + staged).copyMemory(from: start + offset, byteCount: Tick.size)
            staged += Tick.size
        }
        records += bytes.count / Tick.size
        return isOpen
    }

    /// Sends what is staged in front of the group that is being filled, and keeps that group.
    private mutating func flushGroups() {
        // One tick with 255 `more` records: longer than any text can make it, but then parted rather than lost.
        let sent = groupStart == 0 ? staged : groupStart
        send(ReplayFrame.batch, UnsafeRawBufferPointer(start: staging, count: sent))
        staging.copyMemory(from: staging + sent, byteCount: staged - sent)
        staged -= sent
        groupStart = 0
    }

    mutating func end(next: TickKey) {
        if staged > 0 {
            send(ReplayFrame.batch, UnsafeRawBufferPointer(start: staging, count: staged))
            staged = 0
        }
        var writer = JSONWriter()
        writer.object { $0.field("next", next.rawValue) }
        send(ReplayFrame.end, writer.bytes)
    }

    /// The whole answer to a question for gaps.
    mutating func gaps(_ body: [UInt8]) { send(ReplayFrame.gaps, body) }

    mutating func refuse(_ refusal: ReplayRefusal) {
        var writer = JSONWriter()
        writer.object { $0.field("message", refusal.message) }
        send(ReplayFrame.error, writer.bytes)
    }

    private mutating func send(_ type: StaticString, _ body: [UInt8]) {
        body.withUnsafeBytes { send(type, $0) }
    }

    private mutating func send(_ type: StaticString, _ body: UnsafeRawBufferPointer) {
        guard failure == 0, let client else { return }
        failure = id.withUnsafeBytes { id in
            withUnsafeTemporaryAllocation(of: czs_part.self, capacity: 4) { parts in
                parts[0] = czs_part(bytes: routing.baseAddress, count: routing.count)
                parts[1] = czs_part(bytes: type.utf8Start, count: type.utf8CodeUnitCount)
                parts[2] = czs_part(bytes: id.baseAddress, count: id.count)
                parts[3] = czs_part(bytes: body.baseAddress, count: body.count)
                guard let start = parts.baseAddress else { return EIO }
                return client.send(start, 4, on: socket)
            }
        }
    }
}
