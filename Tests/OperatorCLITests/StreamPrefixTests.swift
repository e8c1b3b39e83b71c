import Foundation
import ServiceKit
import Testing
import Ticks

@testable import OperatorCLI

@Suite struct StreamPrefixTests {
    private static let streams = [
        "265598.last", "265598.last@1", "265598.last@12", "265598.bid_ask", "265598.bid_ask@1", "2655981.last",
        "2655981.last@1",
    ].compactMap { StreamID($0) }

    /// A whole name is one stream; a beginning of names is all that begin so; a contract with a source is that venue.
    @Test(arguments: [
        (
            "",
            [
                "265598.last", "265598.last@1", "265598.last@12", "265598.bid_ask", "265598.bid_ask@1", "2655981.last",
                "2655981.last@1",
            ]
        ),
        ("265598.last", ["265598.last"]), ("265598.last@1", ["265598.last@1"]),
        ("265598.last@", ["265598.last@1", "265598.last@12"]),
        ("265598.la", ["265598.last", "265598.last@1", "265598.last@12"]),
        ("265598.", ["265598.last", "265598.last@1", "265598.last@12", "265598.bid_ask", "265598.bid_ask@1"]),
        ("265598@1", ["265598.last@1", "265598.bid_ask@1"]), ("2655981", ["2655981.last", "2655981.last@1"]),
        ("265598@2", []), ("265598@", []), ("7.", []),
    ])
    func aNameMeansOneStreamAndAPrefixAllThatBeginSo(prefix: String, names: [String]) {
        let chosen = StreamPrefix(prefix)
        let taken = Self.streams.filter(chosen.takes)
        #expect(taken.map(\.description) == names)
        // What is taken is subscribed to.
        for stream in taken { #expect(chosen.topics.contains { stream.topic.hasPrefix($0) }, "\(stream)") }
    }

    @Test func aWholeNameSubscribesToNothingElse() {
        #expect(StreamPrefix("265598.last").topics == ["tick.265598.last"])
        #expect(StreamPrefix("265598.last@1").topics == ["tick.265598@1.last"])
        #expect(StreamPrefix("265598@1").topics == ["tick.265598@1."])
    }
}

@Suite struct OpeningHoursTests {
    @Test func eachVenueIsClosedByItsOwnHours() throws {
        let directory = FileManager.default.temporaryDirectory.path + "/ibhours-" + UUID().uuidString.prefix(8)
        let paths = Paths(state: directory, runtime: directory)
        try FileManager.default.createDirectory(atPath: paths.definitions, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (day, night) = (ContractID(conId: 8), ContractID(conId: 8, source: 1))
        for (contract, hours) in [(day, "20260101:CLOSED"), (night, "20260101:0000-20260101:2300")] {
            try #"{"trading_hours":"\#(hours)","time_zone_id":"UTC"}"#.write(
                toFile: paths.definition(contract), atomically: false, encoding: .utf8)
        }
        var hours = OpeningHours(paths)
        let noon: Int64 = 1_767_268_800_000_000_000
        let closed = [day, night, ContractID(conId: 8, source: 2)].map {
            hours.isClosed($0, noon, noon + 60_000_000_000)
        }
        #expect(closed == [true, false, false], "of the last one nothing is known")
    }
}
