/// Message 4: an error, a warning or a notice; `ErrorPolicy` tells which.
///
///     v < 166            4 | 2 | id | code | text
///     166 ≤ v < 194      4 | 2 | id | code | text | reject JSON
///     v ≥ 194            4 | id | code | text | reject JSON | time in ms
///
/// Source: docs/tws.md#session-messages.
public struct ErrorMessage: Sendable, Hashable {
    /// The request it belongs to; −1 for a notice about the connection.
    public var requestId: Int32
    public var code: Int32
    public var text: String
    public var advancedOrderRejectJSON: String
    /// TWS time in milliseconds since the Unix epoch, from version 194 on.
    public var timeMillis: Int64?

    public init(
        requestId: Int32 = -1, code: Int32, text: String, advancedOrderRejectJSON: String = "", timeMillis: Int64? = nil
    ) {
        self.requestId = requestId
        self.code = code
        self.text = text
        self.advancedOrderRejectJSON = advancedOrderRejectJSON
        self.timeMillis = timeMillis
    }

    init(_ cursor: inout FieldCursor, serverVersion: Int) throws(DecodeError) {
        if serverVersion < ServerVersion.errorTime { try cursor.skip() }
        requestId = try cursor.int32()
        code = try cursor.int32()
        text = try cursor.escapedString()
        let hasReject = serverVersion >= ServerVersion.advancedOrderReject
        advancedOrderRejectJSON = hasReject ? try cursor.escapedString() : ""
        let time = serverVersion >= ServerVersion.errorTime ? try cursor.int64() : 0
        timeMillis = time > 0 && time < .max ? time : nil
    }

    func encode(to out: inout [UInt8], serverVersion: Int) {
        out.appendField(ServerMessageID.error)
        if serverVersion < ServerVersion.errorTime { out.appendField(2) }
        out.appendField(requestId)
        out.appendField(code)
        out.appendEscapedField(text)
        if serverVersion >= ServerVersion.advancedOrderReject { out.appendEscapedField(advancedOrderRejectJSON) }
        if serverVersion >= ServerVersion.errorTime { out.appendField(timeMillis ?? 0) }
    }
}
