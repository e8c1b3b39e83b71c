import CZMQShim
import Foundation
import JSON
@testable import Messaging
import Testing
import Ticks

/// The fenced JSON blocks of `docs/feed-protocol.md`, each with the name in the comment above it.
struct DocumentedExample: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    var testDescription: String { name }

    static let all: [DocumentedExample] = {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/feed-protocol.md")
        guard let document = try? String(contentsOf: path, encoding: .utf8) else { return [] }
        var examples: [DocumentedExample] = []
        var name = ""
        var block: [Substring]?
        for line in document.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("<!-- example: ") {
                name = String(line.dropFirst("<!-- example: ".count).dropLast(" -->".count))
            } else if line == "```json" {
                block = []
            } else if line == "```", let lines = block {
                examples.append(DocumentedExample(name: name, text: lines.joined(separator: "\n")))
                block = nil
                name = ""
            } else {
                block?.append(line)
            }
        }
        return examples
    }()

    static func named(_ name: String) -> [DocumentedExample] { all.filter { $0.name == name } }
}

@Suite(.timeLimit(.minutes(1))) struct FeedProtocolDocTests {
    private func compact(_ write: (inout JSONWriter) -> Void) throws -> JSONValue {
        var writer = JSONWriter()
        write(&writer)
        return try JSONValue(parsing: writer.bytes)
    }

    @Test func theDocumentIsThere() {
        #expect(DocumentedExample.all.count >= 20)
        #expect(DocumentedExample.all.allSatisfy { !$0.name.isEmpty })
    }

    @Test(arguments: DocumentedExample.all) func everyExampleIsJSON(example: DocumentedExample) throws {
        #expect(try JSONValue(parsing: example.text).object != nil)
    }

    @Test(arguments: DocumentedExample.named("watermark")) func watermarksReadAndWriteAlike(
        example: DocumentedExample
    ) throws {
        let json = try JSONValue(parsing: example.text)
        let mark = try Watermark(json)
        #expect(mark.streams.last?.stream == StreamID(conId: 265598, kind: .last, source: 1))
        #expect(try compact { mark.write(to: &$0) } == json)
        #expect(try Watermark(compact { mark.write(to: &$0) }) == mark)
    }

    @Test(arguments: DocumentedExample.named("durable")) func durableReportsReadAndWriteAlike(
        example: DocumentedExample
    ) throws {
        let json = try JSONValue(parsing: example.text)
        let report = try DurableReport(json)
        #expect(report.entries.last?.tsEventNanos == Tick.noEventTime)
        #expect(try compact { report.write(to: &$0) } == json)
    }

    @Test(arguments: DocumentedExample.named("event")) func eventsReadAndWriteAlike(example: DocumentedExample) throws {
        let json = try JSONValue(parsing: example.text)
        let event = try FeedEvent(json)
        #expect(try compact { event.write(to: &$0) } == json)
    }

    @Test func requestsAreReadAsTheyStand() throws {
        let examples = DocumentedExample.named("request")
        #expect(examples.count == 3)
        let requests = try examples.map { example in
            try withBytes(of: Array(example.text.utf8)) { (bytes) throws(ReplayRefusal) in
                try ReplayQuestion.parse(bytes)
            }
        }
        let key = TickKey(epoch: 1_755_010_800, seq: 1)
        #expect(
            requests == [
                .page(
                    ReplayRequest(stream: try #require(StreamID("711280073.bid_ask")), from: .key(key), limit: 10000)),
                .page(
                    ReplayRequest(
                        stream: try #require(StreamID("711280073.last@1")),
                        from: .time(nanos: 1_755_010_800_000_000_000))),
                .gaps(try #require(StreamID("711280073.bid_ask"))),
            ])
        #expect(try compact { requests[2].write(id: 19, to: &$0) } == (try JSONValue(parsing: examples[2].text)))
        let written = try compact { requests[0].write(id: 17, to: &$0) }
        #expect(written == (try JSONValue(parsing: examples[0].text)))
    }

    @Test func answersAreReadAsTheyStand() throws {
        let context = try Context()
        let router = try RawRouter(context, "inproc://replay")
        var client = try ReplayClient(in: context)
        try client.connect("inproc://replay")
        for (type, expected) in [
            ("gone", KeptAnswer.gone(TickKey(epoch: 1_755_010_800, seq: 12880))),
            ("end", .end(TickKey(epoch: 1_755_010_800, seq: 22881))),
            ("error", .error("`stream` is not the name of a stream, such as 711280073.bid_ask")),
        ] {
            let text = try #require(DocumentedExample.named(type).first).text
            _ = try client.request(
                ReplayRequest(stream: stream1, from: .key(.zero)), timeoutMillis: patienceMillis)
            let request = try router.receive()
            try router.send([request[0], Array(type.utf8), request[2], Array(text.utf8)])
            let answer = try client.receive(timeoutMillis: patienceMillis)
            #expect(answer.map { KeptAnswer($0) } == expected)
        }
    }

    @Test func controlMessagesAreAsTheyStand() throws {
        let context = try Context()
        var server = try ControlServer(in: context)
        try server.bind("inproc://control")
        let client = try RawDealer(context, "inproc://control")
        let request = try #require(DocumentedExample.named("control-request").first)
        let success = try #require(DocumentedExample.named("control-success").first)
        let failure = try #require(DocumentedExample.named("control-failure").first)
        for example in [success, failure] {
            let wanted = try JSONValue(parsing: example.text)
            try client.send([Array(request.text.utf8)])
            let served = try server.serve(timeoutMillis: patienceMillis) { request, _ in
                #expect(request.command == "lookup")
                #expect(request["type"]?.string == "FUT")
                return wanted["ok"] == true
                    ? .success(wanted["result"] ?? nil) : .failure(wanted["error"]?.string ?? "")
            }
            #expect(served == .answered)
            #expect(try JSONValue(parsing: try client.receive()[0]) == wanted)
        }
    }
}

@Suite struct FeedMessageTests {
    @Test(arguments: [
        "{}", "[]", #"{"epoch":-1,"streams":{}}"#, #"{"epoch":4294967296,"streams":{}}"#, #"{"epoch":1}"#,
        #"{"epoch":1,"streams":{"x":1}}"#, #"{"epoch":1,"streams":{"1.last":-1}}"#,
        #"{"epoch":1,"streams":{"1.last":1.5}}"#,
    ])
    func whatIsNoWatermarkIsRefused(text: String) throws {
        let json = try JSONValue(parsing: text)
        #expect(throws: MessagingError.self) { try Watermark(json) }
    }

    @Test(arguments: [
        "{}", #"{"streams":[]}"#, #"{"streams":{"1.last":[1,2,3]}}"#, #"{"streams":{"1.last":[1,2,3,null]}}"#,
        #"{"streams":{"1.marker":[1,2,3,4]}}"#, #"{"streams":{"1.last":[1,-2,3,4]}}"#,
    ])
    func whatIsNoDurableReportIsRefused(text: String) throws {
        let json = try JSONValue(parsing: text)
        #expect(throws: MessagingError.self) { try DurableReport(json) }
    }

    @Test(arguments: [
        "{}", #"{"time":"x","event":"e","text":"t"}"#, #"{"time":"2025-01-01T00:00:00Z","text":"t"}"#,
        #"{"time":"2025-01-01T00:00:00Z","event":"e","text":"t","stream":"nobody"}"#,
    ])
    func whatIsNoEventIsRefused(text: String) throws {
        let json = try JSONValue(parsing: text)
        #expect(throws: MessagingError.self) { try FeedEvent(json) }
    }
}
