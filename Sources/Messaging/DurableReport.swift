public import JSON
public import Ticks

/// The recorder's `durable`: the newest fsynced record of streams, after each
/// commit those that changed, all once a second.
///
/// `{"streams":{"711280073.bid_ask":[epoch,seq,ts_event,ts_recv]}}`; times in nanoseconds,
/// `ts_event` null when the record has none.
public struct DurableReport: Sendable, Equatable {
    public static let topic: StaticString = "durable"

    /// The newest durable record of one stream.
    public struct Entry: Sendable, Equatable {
        public var stream: StreamID
        public var key: TickKey
        /// `Tick.noEventTime` when the record has none.
        public var tsEventNanos: Int64
        public var tsRecvNanos: Int64

        public init(stream: StreamID, key: TickKey, tsEventNanos: Int64, tsRecvNanos: Int64) {
            self.stream = stream
            self.key = key
            self.tsEventNanos = tsEventNanos
            self.tsRecvNanos = tsRecvNanos
        }
    }

    public var entries: [Entry]

    public init(_ entries: [Entry]) { self.entries = entries }

    /// Throws `malformed` for anything that is not such a report.
    public init(_ json: JSONValue) throws(MessagingError) {
        guard let members = json["streams"]?.object?.members else { throw DurableReport.malformed("no `streams`") }
        entries = []
        entries.reserveCapacity(members.count)
        for member in members {
            guard let stream = StreamID(member.name), let values = member.value.array, values.count == 4,
                let epoch = values[0].unsigned.flatMap({ UInt32(exactly: $0) }),
                let seq = values[1].unsigned.flatMap({ UInt32(exactly: $0) }),
                let tsEvent = values[2].isNull ? Tick.noEventTime : values[2].integer, let tsRecv = values[3].integer
            else { throw DurableReport.malformed("`\(member.name)` is no stream with [epoch,seq,ts_event,ts_recv]") }
            entries.append(
                Entry(
                    stream: stream, key: TickKey(epoch: epoch, seq: seq), tsEventNanos: tsEvent, tsRecvNanos: tsRecv))
        }
    }

    public func write(to writer: inout JSONWriter) {
        writer.object {
            $0.field("streams") { writer in
                writer.object { for entry in entries { DurableReport.write(entry, to: &$0) } }
            }
        }
    }

    private static func write(_ entry: Entry, to writer: inout JSONWriter) {
        writer.field(entry.stream.description) { writer in
            writer.array {
                $0.value(entry.key.epoch)
                $0.value(entry.key.seq)
                if entry.tsEventNanos == Tick.noEventTime { $0.null() } else { $0.value(entry.tsEventNanos) }
                $0.value(entry.tsRecvNanos)
            }
        }
    }

    private static func malformed(_ text: String) -> MessagingError {
        MessagingError(.malformed(text), operation: "read", subject: "durable report")
    }
}
