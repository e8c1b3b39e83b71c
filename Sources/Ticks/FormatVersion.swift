/// The version of each format and protocol of the product. CHANGELOG.md has the rule for raising one.
public enum FormatVersion {
    /// The 64-byte record, wherever it stands. No file carries this number by itself.
    public static let record: UInt16 = 1
    /// Blocks of the log and of the journal (`IBTB`).
    public static let block: UInt16 = 1
    /// The slots beside a part of the log (`IBTD`).
    public static let slots: UInt16 = 1
    /// The name of the newest part (`IBTN`).
    public static let newestPart: UInt16 = 1
    /// Sealed segments (`IBTK`) and their blocks (`IBTC`).
    public static let segment: UInt16 = 1
    /// Footers of sealed segments (`IBTF`).
    public static let footer: UInt16 = 2
    /// The list of sealed files (`IBTL`).
    public static let sealedList: UInt16 = 1
    /// Live feed, replay, history and control.
    public static let feed: UInt16 = 1
    /// What pages and commands print as JSON.
    public static let json: UInt16 = 1
}
