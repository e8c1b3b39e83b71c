public import JSON
public import Ticks

/// The live feed's `watermark`: the newest number of every stream, each second, so that silence and loss can be told
/// apart.
///
/// `{"epoch":E,"streams":{"711280073.bid_ask":last_seq,…}}`; 0 stands for a
/// stream that has no record in this epoch yet.
public struct Watermark: Sendable, Equatable {
    public static let topic: StaticString = "watermark"

    public var epoch: UInt32
    /// In the order of the text; each stream once.
    public var streams: [(stream: StreamID, seq: UInt32)]

    public init(epoch: UInt32, streams: [(stream: StreamID, seq: UInt32)]) {
        self.epoch = epoch
        self.streams = streams
    }

    /// Throws `malformed` for anything that is not a watermark.
    public init(_ json: JSONValue) throws(MessagingError) {
        guard let epoch = json["epoch"]?.unsigned.flatMap({ UInt32(exactly: $0) }) else {
            throw Watermark.malformed("no `epoch`")
        }
        guard let members = json["streams"]?.object?.members else { throw Watermark.malformed("no `streams`") }
        self.epoch = epoch
        streams = []
        streams.reserveCapacity(members.count)
        for member in members {
            guard let stream = StreamID(member.name), let seq = member.value.unsigned.flatMap({ UInt32(exactly: $0) })
            else { throw Watermark.malformed("`\(member.name)` is no stream with a number") }
            streams.append((stream, seq))
        }
    }

    public func write(to writer: inout JSONWriter) {
        writer.object {
            $0.field("epoch", epoch)
            $0.field("streams") { writer in
                writer.object {
                    for entry in streams { $0.field(entry.stream.description, entry.seq) }
                }
            }
        }
    }

    public static func == (a: Watermark, b: Watermark) -> Bool {
        a.epoch == b.epoch && a.streams.elementsEqual(b.streams) { $0.stream == $1.stream && $0.seq == $1.seq }
    }

    private static func malformed(_ text: String) -> MessagingError {
        MessagingError(.malformed(text), operation: "read", subject: "watermark")
    }
}
