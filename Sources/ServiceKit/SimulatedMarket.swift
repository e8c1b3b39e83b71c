internal import Ticks

/// The instruments that `--simulate` records when the configuration names none: what `ib-simulator` offers by itself.
public enum SimulatedMarket {
    /// A contract of the simulated exchange.
    public static let contracts: [TrackedContract] = [
        TrackedContract(conId: 711_280_073, symbol: "MNQ"),
        TrackedContract(conId: 620_731_015, symbol: "ES"),
        TrackedContract(conId: 265_598, symbol: "AAPL"),
        TrackedContract(conId: 12_087_792, symbol: "EUR.USD", ticks: [.bidAsk, .midPoint]),
    ]
}
