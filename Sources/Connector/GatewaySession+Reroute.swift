internal import ServiceKit
internal import TWS
internal import Ticks

extension GatewaySession {
    /// A contract for difference has no data of its own; the gateway names the underlying. That is followed once: its
    /// ticks are recorded under the stream's own name, and marked. Somebody who names a third contract is not followed.
    mutating func reroute(_ request: Int32, _ conId: Int32, _ exchange: String) {
        guard let index = subscriptions.entry(of: request) else { return }
        let entry = subscriptions.entries[index]
        let place = "contract \(conId) on \(exchange.isEmpty ? "SMART" : exchange)"
        guard entry.underlying == nil, conId > 0, conId != entry.stream.conId else {
            log(.error, "the gateway reroutes a stream in a circle", ["stream": "\(entry.stream)", "to": place])
            path.unbind(request: request)
            path.openGap(entry.slot, cause: "rerouted")
            subscriptions.failed(
                request: request, code: ServerMessageID.rerouteMarketData,
                text: "rerouted to \(place), which is not followed: record that contract itself",
                retryAtNanos: bootNanos() + 300_000_000_000)
            return
        }
        log(
            .notice, "the gateway has other data for a stream: recorded under its name, and marked",
            ["stream": "\(entry.stream)", "from": place])
        publishEvent("rerouted", stream: entry.stream, code: conId, text: place)
        path.unbind(request: request)
        subscriptions.reroute(index, to: Contract(conId: conId, exchange: exchange.isEmpty ? "SMART" : exchange))
    }
}
