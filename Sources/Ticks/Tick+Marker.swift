/// What happened to a stream. The raw value is body byte 1 of a `marker`.
public enum MarkerEvent: UInt8, Sendable, CaseIterable {
    /// The subscription request went out; `ref` is 0, `code` the request id.
    case subscribed = 1
    /// From here on ticks may be missing; `code` is the TWS code where one was given, `text` the cause.
    case gapOpened = 2
    /// The first tick after a gap follows; `ref` is the key of the `gapOpened` marker.
    case gapClosed = 3
    /// A run of healed ticks begins; `ref` is the key of its gap.
    case heal = 4
    case healEnd = 5
    /// TWS sent a code for this stream; `code` has it.
    case twsCode = 6
    case halted = 7
    case clockStep = 8
    case suspiciousPrice = 9
    /// The subscription ended by our own wish.
    case unsubscribed = 10
    /// Written by the recorder alone: the keys from `ref` to this record's key can't be had any more.
    case lost = 11
    /// The gateway sent a message for this stream that can't be decoded; `code` is its message id, `text` the number of
    /// the field that can't be read and its first bytes.
    case undecodable = 12
    /// The ticks that follow are of another contract, which the gateway has named in place of this one (a contract for
    /// difference has its underlying's); `code` is its id, `text` the exchange.
    case rerouted = 13
    /// The gateway's definition of the contract is not the one known before; `text` is the name of the field, cut after
    /// 16 bytes. What the ticks' sizes count may be another unit from about here on.
    case definitionChanged = 14
    /// The first record of every stream in every epoch. `ref` is the key that the stream was numbered up to before,
    /// as far as the connector knows; 0: no such key is known. `code` is 1 when more may have been numbered behind
    /// `ref`. `text` says why the epoch was begun.
    case epochBegun = 15

    /// The name in CSV and JSON, such as `gap_opened`.
    public var name: StaticString {
        switch self {
        case .subscribed: "subscribed"
        case .gapOpened: "gap_opened"
        case .gapClosed: "gap_closed"
        case .heal: "heal"
        case .healEnd: "heal_end"
        case .twsCode: "tws_code"
        case .halted: "halted"
        case .clockStep: "clock_step"
        case .suspiciousPrice: "suspicious_price"
        case .unsubscribed: "unsubscribed"
        case .lost: "lost"
        case .undecodable: "undecodable"
        case .rerouted: "rerouted"
        case .definitionChanged: "definition_changed"
        case .epochBegun: "epoch_begun"
        }
    }
}

/// `marker`: u8 stream kind, u8 event, u16 zero, i32 TWS code, u64 ref (a key), 16 bytes text.
public struct MarkerBody: Sendable, Equatable {
    public static let textRange = 16..<32

    public var streamKind: TickKind
    public var eventByte: UInt8
    public var code: Int32
    public var ref: TickKey
    /// At most 16 bytes, such as a cause: `disconnect`, `tws 1100`.
    public var text: [UInt8]

    public init(
        streamKind: TickKind, event: MarkerEvent, code: Int32 = 0, ref: TickKey = .zero, text: String = ""
    ) {
        self.streamKind = streamKind
        eventByte = event.rawValue
        self.code = code
        self.ref = ref
        self.text = Array(text.utf8.prefix(16))
    }

    /// Nil when the first byte names no stream kind.
    public init?(_ body: TickBody) {
        guard let kind = TickKind(rawValue: UInt8(truncatingIfNeeded: body.word0)), kind.isMarketData else {
            return nil
        }
        streamKind = kind
        eventByte = UInt8(truncatingIfNeeded: body.word0 >> 8)
        code = Int32(truncatingIfNeeded: Int64(bitPattern: body.word0) >> 32)
        ref = TickKey(rawValue: body.word1)
        text = body.text(MarkerBody.textRange)
    }

    public var event: MarkerEvent? { MarkerEvent(rawValue: eventByte) }

    /// The `code` of an `epoch_begun` behind whose `ref` more may have been numbered.
    public static let uncertainEnd: Int32 = 1

    public var body: TickBody {
        var body = TickBody(
            UInt64(streamKind.rawValue) | UInt64(eventByte) << 8 | UInt64(UInt32(bitPattern: code)) << 32,
            ref.rawValue, 0, 0)
        body.setText(text, MarkerBody.textRange)
        return body
    }
}

extension Tick {
    /// A marker of `stream`; the numbering thread gives it its key.
    public init(
        marker event: MarkerEvent, of stream: StreamID, key: TickKey = .zero, tsEventNanos: Int64 = Tick.noEventTime,
        tsRecvNanos: Int64, code: Int32 = 0, ref: TickKey = .zero, text: String = "", flags: TickFlags = []
    ) {
        self.init(
            key: key, tsEventNanos: tsEventNanos, tsRecvNanos: tsRecvNanos, conId: stream.conId, kind: .marker,
            source: stream.source, flags: flags,
            body: MarkerBody(streamKind: stream.kind, event: event, code: code, ref: ref, text: text).body)
    }

    /// What the first record of an epoch says of the keys before it: how far the stream was numbered
    /// (zero: not known), and whether nothing can have been numbered behind that. Nil for every other
    /// record, and in recordings without such markers.
    public var chain: (previous: TickKey, isCertain: Bool)? {
        guard seq == 1, let body = marker, body.event == .epochBegun, body.ref < key else { return nil }
        return (body.ref, body.ref != .zero && body.code != MarkerBody.uncertainEnd)
    }

    /// The marker's content, nil for other kinds.
    public var marker: MarkerBody? { kindByte == TickKind.marker.rawValue ? MarkerBody(body) : nil }
}
