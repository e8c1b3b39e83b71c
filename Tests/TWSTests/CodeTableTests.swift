import Foundation
import Testing

@testable import TWS

/// The codes in `docs/debugging.md` are those of the table.
@Suite struct CodeTableTests {
    private static let document = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("docs/debugging.md")
    private static let end = "<!-- end -->\n"

    /// The part of the page that is made from the table, between two remarks.
    private static func generated() -> String {
        var text = "| code | scope | severity | action | ends its request | what to do |\n|---|---|---|---|---|---|\n"
        for rule in ErrorPolicy.table.sorted(by: { $0.code < $1.code }) {
            text += "| \(rule.code) | \(rule.scope.rawValue) | \(rule.severity.rawValue) | `\(rule.action.rawValue)` "
            text += "| \(rule.endsRequest ? "yes" : "") | \(rule.advice ?? "") |\n"
        }
        return text
    }

    @Test func everyCodeStandsInTheDocumentationAsTheTableHasIt() throws {
        let text = try String(contentsOf: Self.document, encoding: .utf8)
        let opening = try #require(text.range(of: "<!-- generated: .*\n", options: .regularExpression))
        let closing = try #require(text.range(of: Self.end, range: opening.upperBound..<text.endIndex))
        let written = text[opening.upperBound..<closing.lowerBound]
        guard written != Self.generated() else { return }
        if ProcessInfo.processInfo.environment["IB_STREAM_WRITE_DOCS"] == nil {
            let command = text[opening].dropFirst("<!-- generated: ".count).prefix { $0 != "\n" }
            Issue.record("docs/debugging.md has not the table of the code. To write it: \(command.dropLast(4))")
        } else {
            let whole = text[..<opening.upperBound] + Self.generated() + text[closing.lowerBound...]
            try String(whole).write(to: Self.document, atomically: true, encoding: .utf8)
        }
    }

    @Test func everyActionIsExplained() throws {
        let text = try String(contentsOf: Self.document, encoding: .utf8)
        let section = try #require(
            text.components(separatedBy: "| action | what the connector does |\n").dropFirst().first)
        let rows = section.components(separatedBy: "\n\n")[0].split(separator: "\n").compactMap {
            $0.split(separator: "|").first
        }
        let explained = rows.joined(separator: ",").split(separator: "`").filter {
            $0.allSatisfy { $0.isLetter || $0 == "_" }
        }
        #expect(Set(explained.map(String.init)) == Set(ErrorPolicy.Action.allCases.map(\.rawValue)))
    }
}
