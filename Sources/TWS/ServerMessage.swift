public import Ticks

/// What the gateway sends, except that the tick path decodes message 99 by itself (`TickByTickCodec`).
///
/// Both directions: a client decodes, a simulated gateway encodes. Source: docs/tws.md#session-messages and behind it.
public enum ServerMessage: Sendable, Equatable {
    case nextValidId(Int32)
    /// Without blanks and empty pieces, such as that behind a trailing comma. Empty: the gateway has none yet.
    case managedAccounts([String])
    /// Seconds since the Unix epoch.
    case currentTime(Int64)
    /// Milliseconds since the Unix epoch; from version 197 on.
    case currentTimeMillis(Int64)
    case error(ErrorMessage)
    case contractData(requestId: Int32, InstrumentDetails)
    case contractDataEnd(requestId: Int32)
    /// A contract for difference has no data of its own: ask for those of this contract, under a new request.
    case reroute(requestId: Int32, conId: Int32, exchange: String)
    case symbolSamples(requestId: Int32, [ContractDescription])
    /// 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    case marketDataType(requestId: Int32, type: Int32)
    /// `minTick` in units of 1e-9, `FixedPoint.absent` when missing.
    case tickReqParams(requestId: Int32, minTick: Int64, bboExchange: String, snapshotPermissions: Int32)
    case tickSnapshotEnd(requestId: Int32)
    /// A record of kind `level1` without key, receive time, contract and source.
    case level1(requestId: Int32, Level1Codec.Form, Tick, MoreTexts)
    /// The same for the four tick-by-tick kinds.
    case tickByTick(requestId: Int32, Tick, MoreTexts)
    case historicalTicks(HistoricalTicks)
    /// `YYYYMMDD-HH:MM:SS` in UTC, or epoch seconds, as the request asked.
    case headTimestamp(requestId: Int32, String)
    case positionEnd
    case openOrderEnd
    case completedOrdersEnd
    /// `hh:mm`.
    case accountUpdateTime(String)
    case accountDownloadEnd(account: String)
    case accountUpdateMultiEnd(requestId: Int32)
    case executionDataEnd(requestId: Int32)
    /// A message that this library does not read, or a tick-by-tick kind that it does not know: count it and go on.
    case unknown(id: Int32)

    /// The message id that a text body begins with.
    public static func messageId(of body: UnsafeRawBufferPointer) throws(DecodeError) -> Int32 {
        var cursor = try FieldCursor(body)
        return try cursor.messageId()
    }
}

extension FieldCursor {
    /// The first field; every error behind it carries its number.
    mutating func messageId() throws(DecodeError) -> Int32 {
        guard at.pointee != 0 else { throw fault(.badMessageId) }
        let id: Int32
        do throws(DecodeError) { id = try int32() } catch { throw DecodeError(.badMessageId, message: 0, field: 0) }
        guard id > 0 else { throw DecodeError(.badMessageId, message: 0, field: 0) }
        message = id
        return id
    }
}
