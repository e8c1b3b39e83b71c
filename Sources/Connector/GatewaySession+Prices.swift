internal import JSON
internal import ServiceKit
internal import TWS
internal import Ticks

/// Suspicious prices: `PriceCheck` decides, here it is done.
extension GatewaySession {
    /// Tells the streams of a contract its smallest price step, as its definition has it.
    ///
    /// `minTick` is the smallest step of any price range on any exchange, so the coarser steps of market rules need not
    /// be known (source: TWS protocol, contractData). It binds quotes everywhere, trades on futures exchanges alone:
    /// shares trade at mid prices and at hundredths of a cent. A mid price lies on half a step.
    mutating func applyPriceStep(_ contract: ContractID) {
        guard let definition = definitions[contract] else { return }
        let step = GatewaySession.priceStep(definition)
        let isFuture = isFuture(contract)
        for entry in subscriptions.entries where entry.stream.contract == contract {
            switch entry.stream.kind {
            case .bidAsk, .level1: path.setPriceStep(step, of: entry.slot)
            case .midPoint: path.setPriceStep(step % 2 == 0 ? step / 2 : 0, of: entry.slot)
            case .last, .allLast: path.setPriceStep(isFuture ? step : 0, of: entry.slot)
            case .depth, .rtVolume, .more, .marker: break
            }
        }
    }

    /// Units of 1e-9; 0 when the definition does not tell.
    static func priceStep(_ definition: JSONValue) -> Int64 {
        let text = Array((definition["min_tick"]?.string ?? "").utf8)
        guard let value = text.withUnsafeBufferPointer({ FixedPoint.parse($0) }), value.exact, value.units > 0,
            value.units != FixedPoint.absent
        else { return 0 }
        return value.units
    }

    /// Says that a stream's prices are suspicious, once a series, and subscribes anew where that is asked for.
    mutating func heedAlarms() {
        for index in subscriptions.entries.indices {
            let entry = subscriptions.entries[index]
            guard let (alarm, suspicion) = path.takeAlarm(entry.slot) else { continue }
            let seen = path.slot(entry.slot).prices.series
            let facts: KeyValuePairs = ["stream": entry.stream.description, "why": suspicion.text, "ticks": "\(seen)"]
            if alarm.contains(.begins) {
                log(.warning, "suspicious prices", facts)
                publishEvent(
                    "suspicious_price", stream: entry.stream, cause: suspicion.text,
                    text: "a price is \(suspicion.text): recorded as it came")
            }
            if alarm.contains(.gridGivenUp) {
                log(.error, "prices off the grid in two subscriptions: the definition's smallest step is wrong", facts)
            }
            if alarm.contains(.resubscribe) { leaveSuspicious(index, facts) }
        }
    }

    private mutating func leaveSuspicious(_ index: Int, _ facts: KeyValuePairs<String, String>) {
        let entry = subscriptions.entries[index]
        guard case .requested = entry.state else { return }
        log(.error, "suspicious prices again and again, subscribing anew", facts)
        path.beginPricesAnew(entry.slot)
        resubscribe(index, cause: MarkerEvent.suspiciousPrice.name.description)
    }
}
