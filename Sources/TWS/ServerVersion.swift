/// Server versions and what changed in the messages that this library reads and writes.
///
/// "Version" is always the negotiated one of the session. Source: docs/tws.md#server-versions.
public enum ServerVersion {
    /// The versions that this library speaks: text encoding throughout.
    public static let supported = 157...200

    /// Sizes may be fractional; `contractData` has a minimum size tick in this version alone.
    public static let fractionalSizes = 163
    /// Size rules: `contractData` has three size fields and neither a VERSION field nor the size multiplier.
    public static let sizeRules = 164
    /// `error` carries the reject JSON.
    public static let advancedOrderReject = 166
    /// Bond issuer ids: in `reqContractData` and `symbolSamples` (which gets the description as well).
    public static let bondIssuerId = 176
    /// Fund fields in `contractData`.
    public static let fundFields = 179
    /// A separate last trade date in `contractData`.
    public static let lastTradeDate = 182
    /// Ineligibility reasons in `contractData`.
    public static let ineligibilityReasons = 186
    /// Time zone and hours in `bondContractData`.
    public static let bondTradingHours = 188
    /// `error` has a time and no VERSION field.
    public static let errorTime = 194
    /// `reqCurrentTimeInMillis` exists.
    public static let currentTimeInMillis = 197
}
