import Foundation
import JSON
import Testing
import Ticks

@testable import TickStore

/// Seconds of `someNanos`.
private let zero = someNanos / 1_000_000_000

@Suite struct GapReportTests {
    private func json(_ report: GapReport, maxBytes: Int = 1 << 20) throws -> JSONValue {
        try JSONValue(parsing: report.encoded(maxBytes: maxBytes))
    }

    @Test func aReportComesBackAsItWas() throws {
        var script = GapScript()
        script.mark(.subscribed)
        let first = script.mark(.gapOpened, "disconnect")
        script.live()
        script.run(first, ticks: 2, from: zero, to: zero + 3, "more")
        script.heal(first, ticks: 2, from: zero + 3, to: zero + 4)
        script.lost(12)
        script.healEnd(first, ticks: 2, to: zero + 4, "healed")
        script.live(1, withoutEventTime: true)
        script.mark(.gapOpened, "a \"cause\"", code: -1)
        script.mark(.unsubscribed)
        let report = GapReport(script.ledger)
        #expect(report.gaps.count == 3 && report.last == script.key)
        #expect(try GapReport(json(report), stream: quotes) == report)
    }

    @Test func theDocumentedAnswerIsRead() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/feed-protocol.md")
        let document = try String(contentsOf: path, encoding: .utf8)
        let start = try #require(document.range(of: "<!-- example: gaps -->\n```json\n"))
        let end = try #require(document.range(of: "\n```", range: start.upperBound..<document.endIndex))
        let text = String(document[start.upperBound..<end.lowerBound])
        let report = try #require(GapReport(try JSONValue(parsing: text), stream: quotes))
        #expect(report.gaps.map(\.state) == [.pending] && report.gaps[0].runs.count == 1)
        // Every member stands there, and no other.
        #expect(try json(report) == JSONValue(parsing: text))
    }

    @Test func whatMayStillChangeComesFirstAndTheNewestBeforeTheOlder() {
        var script = GapScript()
        script.live()
        var keys: [TickKey] = []
        for _ in 0..<5 {
            keys.append(script.mark(.gapOpened, "disconnect"))
            script.live()
        }
        script.run(keys[4], ticks: 0, from: zero, to: zero + 9, "healed")
        script.run(keys[1], ticks: 0, from: zero, to: zero + 9, "partly")
        #expect(GapReport(script.ledger).gaps.map(\.key) == [3, 2, 0, 1, 4].map { keys[$0] })
    }

    @Test func aReportStaysWithinItsBounds() throws {
        var script = GapScript()
        script.live()
        for _ in 0..<5000 {
            script.mark(.gapOpened, "disconnect")
            script.live()
        }
        let report = GapReport(script.ledger)
        #expect(report.gaps.count == GapReport.maxGaps && report.omitted == 5000 - GapReport.maxGaps)
        let bytes = report.encoded(maxBytes: 10_000)
        #expect(bytes.count <= 10_000 && bytes.count > 9000)
        let read = try #require(GapReport(try JSONValue(parsing: bytes), stream: quotes))
        #expect(read.gaps.first == report.gaps.first && read.gaps.count + read.omitted == 5000)
    }

    @Test(arguments: [
        "{}", #"{"last":1}"#, #"{"last":-1,"gaps":[]}"#, #"{"last":1,"gaps":[{}]}"#, #"{"last":1,"gaps":[7]}"#,
        #"{"last":1,"gaps":[{"key":1,"opened":1,"cause":"","code":0,"last_marker":1,"runs":[[1,2]]}]}"#,
        #"{"last":1,"gaps":[{"key":1,"opened":1,"cause":"","code":0,"last_marker":1,"runs":[],"lost":[2,1]}]}"#,
    ])
    func whatIsNoReportIsRefused(text: String) throws {
        #expect(GapReport(try JSONValue(parsing: text), stream: quotes) == nil)
    }
}
