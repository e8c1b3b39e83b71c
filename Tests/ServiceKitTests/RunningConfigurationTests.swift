import Foundation
import Testing
import Ticks

@testable import ServiceKit

@Suite struct RunningConfigurationTests {
    /// Something else than the default in every section, and texts that a careless writer breaks.
    private func unusual() -> Configuration {
        var configuration = Configuration()
        configuration.root = "/srv/it's \"here\": a\\b # no comment"
        configuration.source = 7
        configuration.tws.host = "gw"
        configuration.tws.ports = [1, 65_535]
        configuration.tws.tickByTickSpacingNanos = 15_000_000_001
        configuration.tws.onExcess = .level1
        configuration.tws.maintenance = []
        configuration.tws.maxServerVersion = 187
        configuration.contracts = [
            TrackedContract(conId: 1, symbol: "null", exchange: "ümläut \u{85}\u{2028}\u{1F600}~", ticks: [.level1]),
            TrackedContract(conId: 2, symbol: "1.0", exchange: " - x ", source: 255, bufferHours: 0, required: false),
        ]
        configuration.connector.journalDir = "/j"
        configuration.connector.journalSizeBytes = (32 << 20) + 1
        configuration.publish.tcp = [TCPEndpoint(endpoint: "tcp://[::1]:5555", insecure: true)]
        configuration.storage.keepBytes = 10_000_000_000
        configuration.heal.enabled = false
        configuration.watchdog.http = HTTPAddress(host: "::1", port: 9)
        var alert = AlertSettings(type: .webhook)
        alert.url = "https://x/?a=b&c={d}"
        configuration.alerts = [alert]
        return configuration
    }

    @Test func theTextReadBackIsTheSameConfiguration() throws {
        let directory = try TemporaryDirectory()
        for configuration in [Configuration(), unusual()] {
            let file = try directory.file("r.yaml", configuration.text)
            let read = try Configuration.load(file: file, environment: [:]).configuration
            #expect(read == configuration)
            #expect(read.text == configuration.text && read.hash == configuration.hash)
        }
    }

    @Test func theHashTellsConfigurationsApart() {
        var hashes: Set<String> = [Configuration().hash, unusual().hash]
        var changed = unusual()
        changed.alerts[0].url = "https://x/?a=b&c={e}"
        hashes.insert(changed.hash)
        changed.contracts.swapAt(0, 1)
        hashes.insert(changed.hash)
        #expect(hashes.count == 4)
        #expect(hashes.allSatisfy { $0.count == 12 && $0.allSatisfy(\.isHexDigit) })
    }

    @Test func itIsKeptForTheOwnUserAndMadeAnewWhenItIsNotWhole() throws {
        let directory = try TemporaryDirectory()
        let running = RunningConfiguration(unusual(), paths: Paths(state: directory.path, runtime: directory.path))
        try running.keep()
        let attributes = try FileManager.default.attributesOfItem(atPath: running.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        try running.keep()
        let again = try FileManager.default.attributesOfItem(atPath: running.path)
        #expect(again[.systemFileNumber] as? Int == attributes[.systemFileNumber] as? Int, "nothing to write")
        for damage in ["", "tws: [", unusual().text + "source: 1\n"] {
            try damage.write(toFile: running.path, atomically: false, encoding: .utf8)
            try running.keep()
            #expect(try String(contentsOfFile: running.path, encoding: .utf8) == unusual().text)
        }
        try FileManager.default.removeItem(atPath: running.path)
        try running.keep()
        #expect(try Configuration.load(file: running.path, environment: [:]).configuration == unusual())
    }

    @Test func aServiceThatIsToldTheRunningOneReadsNothingElse() throws {
        let directory = try TemporaryDirectory()
        let running = RunningConfiguration(unusual(), paths: Paths(state: directory.path, runtime: directory.path))
        try running.keep()
        let flags = ParsedFlags().setting("config", to: "/nowhere.yaml").setting("root", to: "/elsewhere")
        let environment = [RunningConfiguration.variable: running.path, "IB_STREAM_TWS_HOST": "another"]
        let loaded = try LoadedConfiguration.ofService(flags: flags, environment: environment)
        #expect(loaded.configuration == unusual())
        #expect(throws: ConfigurationFailure.self) {
            try LoadedConfiguration.ofOperator(flags: flags, environment: environment)
        }
    }
}
