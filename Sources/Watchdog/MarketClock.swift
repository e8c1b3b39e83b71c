internal import JSON
internal import ServiceKit
internal import Ticks

/// What is known of opening hours: of each contract from its definition, of the broker's maintenance from the
/// configuration. What is not known counts as open.
struct MarketClock {
    private var hours: [ContractID: TradingHours] = [:]
    private var zones: [String: ZoneRules] = [:]
    private let maintenance: [MaintenanceWindow]
    /// Zones and hours that could not be used: each is reported once.
    private var reported: Set<String> = []

    init(maintenance: [MaintenanceWindow]) {
        self.maintenance = maintenance
        for window in maintenance { _ = zone(window.zone, "maintenance window") }
    }

    /// Takes a contract's trading hours out of its definition.
    mutating func accept(definition: JSONValue, of contract: ContractID) {
        guard let text = definition["trading_hours"]?.string, let zoneName = definition["time_zone_id"]?.string,
            !text.isEmpty, let zone = zone(zoneName, "contract \(contract)")
        else { return }
        guard let parsed = TradingHours(text, zone: zone) else {
            report("hours \(text)", "trading hours not understood, the market counts as open", "\(contract)")
            return
        }
        if let odd = parsed.odd.first {
            report(
                "odd \(contract) \(odd)", "a day's trading hours not understood, it counts as open",
                "\(contract): \(odd)")
        }
        hours[contract] = parsed
    }

    /// Whether a contract's market is open at an instant (seconds since the Unix epoch); nil: not known.
    func isOpen(_ contract: ContractID, at instant: Int64) -> Bool? { hours[contract]?.isOpen(at: instant) }

    /// Whether the broker's systems are in maintenance.
    func inMaintenance(at instant: Int64) -> Bool {
        maintenance.contains { window in zones[window.zone].map { window.contains(instant, zone: $0) } ?? false }
    }

    private mutating func zone(_ name: String, _ subject: String) -> ZoneRules? {
        if let known = zones[name] { return known }
        do throws(ZoneRules.Failure) {
            let rules = try ZoneRules(named: name)
            zones[name] = rules
            return rules
        } catch {
            report("zone \(name)", "\(error), its hours are not used", subject)
            return nil
        }
    }

    private mutating func report(_ key: String, _ message: String, _ subject: String) {
        guard reported.count < 1000, reported.insert(key).inserted else { return }
        log(.warning, message, ["of": subject])
    }
}
