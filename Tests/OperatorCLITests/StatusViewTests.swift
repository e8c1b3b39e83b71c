import JSON
import Testing

@testable import OperatorCLI

@Suite struct StatusViewTests {
    @Test(arguments: [
        (0, "0.0"), (0.04, "0.0"), (0.05, "0.1"), (0.94, "0.9"), (0.96, "1.0"), (6.97, "7.0"), (9.949, "9.9"),
        (12.3, "12.3"), (1999.99, "2000.0"), (-1, "0.0"), (1e300, "1000000000000000.0"),
    ])
    func ratesAreRoundedOnce(rate: Double, text: String) {
        let view = StatusView(["health": "healthy", "streams": ["5.last": ["ticks_per_second": .number(rate)]]])
        let row = view.lines().first { $0.hasPrefix("5.last") } ?? ""
        #expect(row.split(separator: " ")[1] == text, "\(row)")
    }
}
