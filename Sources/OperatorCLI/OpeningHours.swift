internal import Glibc
internal import JSON
internal import ServiceKit
internal import Ticks

/// When the markets of recorded contracts are closed, as far as their kept definitions
/// tell. What is not known counts as open.
struct OpeningHours {
    private static let maxDefinitionBytes = 1 << 20

    private let paths: Paths
    private var known: [ContractID: TradingHours?] = [:]

    init(_ paths: Paths) { self.paths = paths }

    /// True when it is known that a market never opened in a time (ns since the Unix epoch).
    mutating func isClosed(_ contract: ContractID, _ fromNanos: Int64, _ toNanos: Int64) -> Bool {
        guard fromNanos < toNanos, let hours = hours(contract) else { return false }
        let (from, to) = (
            fromNanos.floorDivided(by: 1_000_000_000), (toNanos - 1).floorDivided(by: 1_000_000_000) + 1
        )
        return hours.isClosed(throughout: from..<to)
    }

    private mutating func hours(_ contract: ContractID) -> TradingHours? {
        if let hours = known[contract] { return hours }
        let hours = read(contract)
        known[contract] = .some(hours)
        return hours
    }

    private func read(_ contract: ContractID) -> TradingHours? {
        guard let bytes = Files.contents(paths.definition(contract), maxBytes: OpeningHours.maxDefinitionBytes) else {
            return nil
        }
        do {
            let definition = try JSONValue(parsing: bytes)
            guard let text = definition["trading_hours"]?.string, let zone = definition["time_zone_id"]?.string else {
                return nil
            }
            return TradingHours(text, zone: try ZoneRules(named: zone))
        } catch {
            // A zone that this host does not know, or a definition that is none: then the market counts as open.
            return nil
        }
    }
}
