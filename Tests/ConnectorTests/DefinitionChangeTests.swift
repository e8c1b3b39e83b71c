import JSON
import Testing

@testable import Connector

struct DefinitionChangeTests {
    private static let known: JSONValue = [
        "symbol": "AAPL", "size_increment": "100", "size_multiplier": 100, "min_size": "", "trading_hours": "today",
    ]

    @Test func namesAndUnitsAreToldInOrder() {
        let new: JSONValue = [
            "size_multiplier": 1, "size_increment": "1", "symbol": "AAPL.OLD", "min_size": "", "trading_hours": "today",
        ]
        #expect(
            DefinitionChange.between(Self.known, new) == [
                DefinitionChange(field: "symbol", old: "AAPL", new: "AAPL.OLD"),
                DefinitionChange(field: "size_multiplier", old: "100", new: "1"),
                DefinitionChange(field: "size_increment", old: "100", new: "1"),
            ])
    }

    /// A source that stands for another venue now; the exchange that the gateway names means nothing.
    @Test func anotherConfiguredExchangeIsAChange() {
        let night: JSONValue = ["configured_exchange": "OVERNIGHT", "exchange": "OVERNIGHT"]
        let day: JSONValue = ["configured_exchange": "SMART", "exchange": "SMART"]
        #expect(
            DefinitionChange.between(night, day) == [
                DefinitionChange(field: "configured_exchange", old: "OVERNIGHT", new: "SMART")
            ])
        #expect(DefinitionChange.between(["configured_exchange": "", "exchange": "NYSE"], day) == [])
    }

    @Test func whatIsNotToldAndWhatChangesEveryDayIsNoChange() {
        #expect(DefinitionChange.between(Self.known, Self.known) == [])
        let new: JSONValue = ["symbol": "AAPL", "size_multiplier": 0, "min_size": "1", "trading_hours": "tomorrow"]
        #expect(DefinitionChange.between(Self.known, new) == [])
    }
}
