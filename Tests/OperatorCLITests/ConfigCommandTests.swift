import Foundation
import Testing

@Suite struct ConfigCommandTests {
    private func file(_ text: String, in directory: TestDirectory) throws -> String {
        let path = directory.path + "/c.yaml"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    @Test func aGoodFileIsOneLineAndSuccess() throws {
        let directory = try TestDirectory()
        // A directory in which files stay: nothing is made there.
        let path = try file("root: /home/me/ib-stream\ncontracts: [{con_id: 1, symbol: A}]\n", in: directory)
        let outcome = try Programs.run("ib-stream", ["config", "check", path])
        #expect(outcome.status == 0 && outcome.errors == "")
        #expect(outcome.output == "\(path): ok: 1 contracts, 2 streams\n")
    }

    @Test func showNamesEveryValueAndItsSource() throws {
        let directory = try TestDirectory()
        let path = try file("root: \(directory.path)\ntws: {client_id: 9}\n", in: directory)
        let outcome = try Programs.run(
            "ib-stream", ["config", "show", path], environment: ["IB_STREAM_TWS_HOST": "gw"])
        #expect(outcome.status == 0)
        let lines = outcome.output.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("tws.client_id: 9 ") && $0.hasSuffix("# \(path):2") })
        #expect(lines.contains { $0.hasPrefix("tws.host: gw ") && $0.hasSuffix("# environment IB_STREAM_TWS_HOST") })
        #expect(lines.contains { $0.hasPrefix("watchdog.hang: 5s ") && $0.hasSuffix("# default") })
        #expect(lines.contains("# state: \(directory.path)/state"))
    }

    @Test func unknownVariablesAreWarnedAboutAndDoNotFail() throws {
        let directory = try TestDirectory()
        let path = try file("contracts: [{con_id: 1, symbol: A}]\nroot: \(directory.path)\n", in: directory)
        let outcome = try Programs.run(
            "ib-stream", ["config", "check", path], environment: ["IB_STREAM_TWS_HOTS": "x"])
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains("IB_STREAM_TWS_HOTS is unknown and ignored: did you mean IB_STREAM_TWS_HOST?"))
    }
}
