/// What can still be said of a message that can't be what its id says: whom it belongs to, and its first bytes.
///
/// Framing is not concerned: the next message begins where it should. Allocates; for messages that are set aside alone.
public struct UndecodableMessage: Sendable, Equatable {
    /// Bytes of the message that are kept for people.
    public static let shownBytes = 96

    public let error: DecodeError
    /// 0 when not even that can be read.
    public let messageId: Int32
    /// The request that it answers; nil when it has none, or none that can be read.
    public let requestId: Int32?
    /// The first bytes: NUL is `|`, what is not printable ASCII is `\xNN`.
    public let start: String
    /// The same from the field on that can't be read, behind its number, such as `4:nan|23385.25|6`.
    public let fault: String

    public init(_ body: UnsafeRawBufferPointer, _ error: DecodeError, serverVersion: Int) {
        let fields = body.split(separator: 0, maxSplits: 3, omittingEmptySubsequences: false)
        func number(_ index: Int) -> Int32? {
            guard index < fields.count, fields[index].count <= 11 else { return nil }
            return Int32(String(decoding: fields[index], as: UTF8.self))
        }
        self.error = error
        messageId = number(0).flatMap { $0 > 0 ? $0 : nil } ?? 0
        requestId = UndecodableMessage.requestField(messageId, serverVersion).flatMap(number)
        start = UndecodableMessage.escaped(body, atMost: UndecodableMessage.shownBytes)
        let rest = UndecodableMessage.rest(of: body, fromField: Int(error.field))
        fault = "\(error.field):" + UndecodableMessage.escaped(rest, atMost: UndecodableMessage.shownBytes)
    }

    /// Where the request id stands. Source: docs/tws.md#session-messages and behind it.
    private static func requestField(_ messageId: Int32, _ serverVersion: Int) -> Int? {
        switch messageId {
        case ServerMessageID.tickByTick, ServerMessageID.historicalTicks, ServerMessageID.historicalTicksBidAsk,
            ServerMessageID.historicalTicksLast, ServerMessageID.symbolSamples, ServerMessageID.tickReqParams,
            ServerMessageID.headTimestamp, ServerMessageID.rerouteMarketData, ServerMessageID.rerouteMarketDepth:
            1
        case ServerMessageID.tickPrice, ServerMessageID.tickSize, ServerMessageID.tickGeneric,
            ServerMessageID.tickString, ServerMessageID.marketDataType, ServerMessageID.tickSnapshotEnd,
            ServerMessageID.contractDataEnd:
            2
        case ServerMessageID.contractData, ServerMessageID.bondContractData:
            serverVersion < ServerVersion.sizeRules ? 2 : 1
        case ServerMessageID.error: serverVersion < ServerVersion.errorTime ? 2 : 1
        default: nil
        }
    }

    /// True for an instrument's definition.
    public var isDefinition: Bool {
        messageId == ServerMessageID.contractData || messageId == ServerMessageID.bondContractData
    }

    /// True for the messages that bring a stream's ticks.
    public var isTick: Bool {
        switch messageId {
        case ServerMessageID.tickByTick, ServerMessageID.tickPrice, ServerMessageID.tickSize,
            ServerMessageID.tickGeneric, ServerMessageID.tickString:
            true
        default: false
        }
    }

    private static func rest(of body: UnsafeRawBufferPointer, fromField field: Int) -> UnsafeRawBufferPointer {
        var at = 0
        var left = field
        while left > 0, at < body.count {
            if body[at] == 0 { left -= 1 }
            at += 1
        }
        return UnsafeRawBufferPointer(rebasing: body[at...])
    }

    private static func escaped(_ bytes: UnsafeRawBufferPointer, atMost limit: Int) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var out: [UInt8] = []
        for byte in bytes.prefix(limit) {
            switch byte {
            case 0: out.append(0x7C)
            case 0x20...0x7E where byte != 0x5C: out.append(byte)
            default: out += [0x5C, 0x78, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
