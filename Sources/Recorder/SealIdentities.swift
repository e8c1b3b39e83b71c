internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

/// What sealed files say of their instruments: the symbol of the configuration (else the gateway's), and the definition
/// as the connector stored it. One thread.
final class SealIdentities {
    private static let maxDefinitionBytes = 1 << 20

    private let paths: Paths
    private let contracts: [ContractID: TrackedContract]
    /// The last one asked for: streams of a contract come one after another.
    private var last: (contract: ContractID, identity: HourSealer.Identity)?

    init(_ paths: Paths, contracts: [ContractID: TrackedContract]) {
        self.paths = paths
        self.contracts = contracts
    }

    func identity(_ contract: ContractID) -> HourSealer.Identity {
        if let last, last.contract == contract { return last.identity }
        let definition = Files.contents(paths.definition(contract), maxBytes: SealIdentities.maxDefinitionBytes)
        let symbol = contracts[contract]?.symbol ?? definition.flatMap(SealIdentities.symbol) ?? "unknown"
        let identity = HourSealer.Identity(symbol: symbol, definition: definition ?? [])
        last = (contract, identity)
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
