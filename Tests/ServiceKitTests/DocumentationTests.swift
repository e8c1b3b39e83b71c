import Foundation
import Testing

@testable import ServiceKit

/// `docs/configuration.md` says of every key what the code does.
@Suite struct DocumentationTests {
    /// The repository's root, from this file's place in it.
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func row<Root>(_ key: Key<Root>, _ standard: Root) -> String {
        let value = key.get(standard)
        var text = value == .none ? "–" : "`\(key.kind.text(value))`"
        if key.required { text = "must be given" }
        return "| `\(key.name)` | \(key.meaning) | \(key.kind.unit) | \(text) | \(key.kind.rangeText) |"
    }

    @Test func everyKeyStandsInTheDocumentationAsTheCodeHasIt() throws {
        let text = try String(contentsOf: Self.root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        let lines = Set(text.split(separator: "\n").map(String.init))
        var expected: [String] = []
        for section in ConfigurationSchema.sections {
            for key in section.keys where key.kind != .items { expected.append(row(key, Configuration())) }
        }
        let contract = TrackedContract(conId: 1, symbol: "X")
        expected += ConfigurationSchema.contractKeys.map { row($0, contract) }
        expected += ConfigurationSchema.tcpKeys.map { row($0, TCPEndpoint(endpoint: "tcp://x")) }
        expected += ConfigurationSchema.alertKeys.map { row($0, AlertSettings(type: .webhook)) }
        for line in expected where !lines.contains(line) { Issue.record("missing in docs/configuration.md: \(line)") }
        // And nothing stands there that the code does not have.
        let documented = lines.filter { $0.hasPrefix("| `") && $0.split(separator: "|").count == 5 }
        for line in documented where !expected.contains(line) { Issue.record("only in docs/configuration.md: \(line)") }
    }

    @Test func everyVariableOfTheSeedIsDocumented() throws {
        let text = try String(contentsOf: Self.root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        for (variable, path) in ConfigurationReader.legacyNames {
            #expect(text.contains("| `\(variable)` | `\(path)` |"), "\(variable)")
        }
    }

    @Test func theExampleInTheDocumentationIsValid() throws {
        let text = try String(contentsOf: Self.root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        let example = try #require(
            text.components(separatedBy: "```yaml\n").dropFirst().first?.components(separatedBy: "```").first)
        let directory = try TemporaryDirectory()
        let file = try directory.file("ib-stream.yaml", example)
        let loaded = try Configuration.load(file: file, environment: [:])
        _ = try loaded.startable(simulate: false, environment: ["HOME": "/root"])
    }
}
