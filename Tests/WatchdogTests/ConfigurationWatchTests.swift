import Foundation
import ServiceKit
import Testing

@testable import Watchdog

@Suite struct ConfigurationWatchTests {
    private let directory = "/tmp/ibwd-" + UUID().uuidString.prefix(8)
    private var file: String { directory + "/c.yaml" }

    private func write(_ text: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: false, encoding: .utf8)
    }

    @Test func whatBecomesOfTheFileIsSaidOnceWithAWayOut() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let good = "contracts: [{con_id: 1, symbol: A}]\n"
        try write(good)
        let flags = ParsedFlags().setting("config", to: file)
        let running = try LoadedConfiguration.ofOperator(flags: flags, environment: [:]).configuration.hash
        var watch = ConfigurationWatch(flags: flags, environment: [:], running: running, advice: "restart all")
        func looked() -> Bool { watch.look() }
        #expect(!looked() && watch.finding == nil)

        try write("contracts: [{con_id: 1, symbol: A}, {con_id: 2, symbol: B}]\n")
        #expect(looked())
        let other = try LoadedConfiguration.ofOperator(flags: flags, environment: [:]).configuration.hash
        for word in [file, running, other, "restart all"] { #expect(watch.finding?.contains(word) == true, "\(word)") }
        #expect(!looked(), "nothing new")

        try write("contracts: [\n")
        #expect(looked() && watch.finding?.contains("\(file):2:1: not valid YAML") == true)
        try FileManager.default.removeItem(atPath: file)
        #expect(looked() && watch.finding?.contains("No such file or directory") == true)
        try write("# the same in other words\n" + good)
        #expect(looked() && watch.finding == nil)
    }

    @Test func theEnvironmentCounts() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try write("tws: {client_id: 5}\n")
        let flags = ParsedFlags().setting("config", to: file)
        let environment = ["IB_STREAM_TWS_CLIENT_ID": "9"]
        let running = try LoadedConfiguration.ofOperator(flags: flags, environment: environment).configuration.hash
        var watch = ConfigurationWatch(flags: flags, environment: environment, running: running, advice: "")
        func looked() -> Bool { watch.look() }
        #expect(!looked())
        try write("tws: {client_id: 6}\n")
        #expect(!looked(), "the environment overrides it")
    }

    @Test func aProcessWithAnotherConfigurationIsNamed() {
        let own = (hash: "aa", readAtNanos: Int64(0))
        #expect(configurationDifference("ib-connector", "aa", read: "x", watchdog: own, advice: "") == nil)
        #expect(configurationDifference("ib-connector", nil, read: nil, watchdog: own, advice: "") == nil)
        #expect(
            configurationDifference("ib-connector", "bb", read: "then", watchdog: own, advice: "restart all")
                == "ib-connector runs with another configuration (bb, read then) than ib-watchdog (aa, read "
                + "1970-01-01T00:00:00.000Z): to have one for all, restart all")
    }
}
