/// A contract as one source records it: at one venue, by one connector. What its streams share (definition, trading
/// hours, smallest price step, farms) goes by this and not by the contract id, which is the same at every venue.
///
/// Written `265598`, with `@source` behind it when the source is not 0. Ordered by source, then contract.
public struct ContractID: Sendable, Hashable, Comparable, BitwiseCopyable, CustomStringConvertible {
    /// IB's contract id.
    public let conId: Int32
    /// Byte 29 of every record.
    public let source: UInt8

    @inlinable public init(conId: Int32, source: UInt8 = 0) {
        self.conId = conId
        self.source = source
    }

    /// Parses the written form; nil if it is anything else, so that each contract has one name.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let conId = Int32(parts[0]), conId > 0 else { return nil }
        var source: UInt8 = 0
        if parts.count == 2 {
            guard let number = UInt8(parts[1]), number > 0 else { return nil }
            source = number
        }
        self.init(conId: conId, source: source)
        guard description == text else { return nil }
    }

    public var description: String { source == 0 ? "\(conId)" : "\(conId)@\(source)" }

    public static func < (a: ContractID, b: ContractID) -> Bool { (a.source, a.conId) < (b.source, b.conId) }
}
