internal import JSON
internal import ServiceKit
internal import TickStore

/// What sealed files say of their instruments: the symbol of the configuration (else the gateway's), and the definition as
/// the connector stored it. One thread.
final class SealIdentities {
    private static let maxDefinitionBytes = 1 << 20

    private let definitions: String
    private let symbols: [Int32: String]
    /// The last one asked for: streams of a contract come one after another.
    private var last: (conId: Int32, identity: HourSealer.Identity)?

    init(definitions: String, symbols: [Int32: String]) {
        self.definitions = definitions
        self.symbols = symbols
    }

    func identity(_ conId: Int32) -> HourSealer.Identity {
        if let last, last.conId == conId { return last.identity }
        let definition = Files.contents("\(definitions)/\(conId).json", maxBytes: SealIdentities.maxDefinitionBytes)
        let symbol = symbols[conId] ?? definition.flatMap(SealIdentities.symbol) ?? "unknown"
        let identity = HourSealer.Identity(symbol: symbol, definition: definition ?? [])
        last = (conId, identity)
        return identity
    }

    /// The symbol that the connector's configuration had, or the gateway's; a file that is not readable has none.
    private static func symbol(_ definition: [UInt8]) -> String? {
        do throws(JSONError) {
            let json = try JSONValue(parsing: definition)
            let symbol = json["configured_symbol"]?.string ?? json["symbol"]?.string
            return symbol?.isEmpty == false ? symbol : nil
        } catch {
            return nil
        }
    }
}
