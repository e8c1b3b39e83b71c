internal import JSON
@testable internal import ServiceKit
@testable internal import Simulator
internal import Ticks

extension Target {
    /// Texts that people and files give.
    static let texts = [
        Target(
            name: "json",
            seeds: {
                [
                    #"{"a":[1,-2.5e3,null,true,"\u00fc\ud83d\ude00\n"],"b":{"c":18446744073709551615}}"#, "[[[[[]]]]]",
                    "7",
                ]
                .map { Array($0.utf8) }
            }, run: readJSON),
        Target(name: "yaml", seeds: { yamlSeeds.map { Array($0.utf8) } }, run: readConfiguration),
        Target(
            name: "simulator",
            seeds: {
                [
                    "drop reset", "stall", "error 1100 lost", "mute 7.bid_ask", "unmute all", "raw 00ff10",
                    "fragment 3",
                    "offset 7.last -0.25 always", "status",
                ].map { Array($0.utf8) }
            }, run: readSimulatorCommand),
        Target(
            name: "words",
            seeds: {
                [
                    "2025-08-12T15:00:00.123456789+02:00", "711280073.bid_ask@1", "1h 30m", "64MiB", "23384.75",
                    "-1.5e-9",
                    "20250811:1700-20250812:1600;20250813:CLOSED", "23:45-00:45 US/Eastern", "EST5EDT,M3.2.0,M11.1.0",
                ].map { Array($0.utf8) }
            }, run: readWords),
    ]

    /// What could be read is written and read as the same value.
    @Sendable private static func readJSON(_ all: UnsafeRawBufferPointer) {
        Input(all).remaining { bytes in
            accepts {
                let value = try JSONValue(parsing: bytes)
                let again = try? JSONValue(parsing: value.encoded, maxBytes: 8 << 20)
                precondition(again == value, "what was read can't be read again")
            }
        }
    }

    private static let yamlSeeds = [
        """
        root: /tmp/x
        source: 1
        tws: {host: 127.0.0.1, ports: [4002, 4001], tick_by_tick_spacing: 15s, on_excess: level1}
        contracts:
          - con_id: 265598
            symbol: AAPL
            exchange: SMART
            ticks: [bid_ask, last]
            buffer_hours: 24
            required: false
        publish:
          tcp:
            - endpoint: tcp://127.0.0.1:9000
              insecure: true
        recorder: {commit_interval: 100ms, hold_back: 64MiB}
        storage: {keep_days: 30, keep_bytes: 10GiB}
        """,
        "watchdog:\n  http: 127.0.0.1:0\nalerts:\n  - type: command\n    command: [a, \"b\"]\n    repeat: 1h\n",
        "&a [*a, *a]", "a: &x {b: *x}\n", "? - 1\n: |\n  text\n  more\n", "%YAML 1.1\n--- !!str x\n...\n",
    ]

    @Sendable private static func readConfiguration(_ all: UnsafeRawBufferPointer) {
        let text = Array(all)
        for simulate in [false, true] {
            var reader = ConfigurationReader(simulate: simulate)
            reader.file = "fuzz.yaml"
            accepts { if let node = try YAMLReader.read(text, file: "fuzz.yaml") { reader.read(document: node) } }
            accepts {
                let loaded = try reader.finish()
                _ = loaded.effectiveKeys.map(\.value)
                _ = loaded.configuration.streams
            }
        }
    }

    @Sendable private static func readSimulatorCommand(_ all: UnsafeRawBufferPointer) {
        accepts { _ = try ControlCommand(parsing: String(decoding: all, as: UTF8.self)) }
    }

    private static let zone = try? ZoneRules(named: "US/Central")

    @Sendable private static func readWords(_ all: UnsafeRawBufferPointer) {
        let text = String(decoding: all, as: UTF8.self)
        if let nanos = Timestamp.parse(text) {
            precondition(Timestamp.parse(Timestamp.text(nanos)) == nanos, "a time that is another when written")
        }
        _ = Timestamp.parse(text, shortForms: true)
        if let stream = StreamID(text) { precondition(StreamID(stream.description) == stream) }
        _ = DurationText.parse(text)
        if let hours = zone.flatMap({ TradingHours(text, zone: $0) }) { _ = hours.isOpen(at: 1_755_010_800) }
        _ = ZoneRules(name: "fuzz", bytes: Array(all)).map { $0.offsetSeconds(at: 1_755_010_800) }
        Input(all).remaining { bytes in
            bytes.withMemoryRebound(to: UInt8.self) { digits in
                guard let value = FixedPoint.parse(digits), value.exact else { return }
                let written = Array(FixedPoint.text(value.units).utf8)
                let again = written.withUnsafeBufferPointer { FixedPoint.parse($0) }
                precondition(again?.units == value.units, "a number that is another when written")
            }
        }
    }
}
