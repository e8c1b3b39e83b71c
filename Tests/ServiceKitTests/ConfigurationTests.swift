import Foundation
import Testing
import Ticks

@testable import ServiceKit

@Suite struct ConfigurationTests {
    private func load(
        _ text: String, environment: [String: String] = [:], simulate: Bool = false
    ) throws -> LoadedConfiguration {
        let directory = try TemporaryDirectory()
        let file = try directory.file("c.yaml", text)
        return try Configuration.load(file: file, simulate: simulate, environment: environment)
    }

    /// The problems of a text, without the file's directory in front.
    private func problems(_ text: String, environment: [String: String] = [:]) throws -> [String] {
        do {
            _ = try load(text, environment: environment)
            return []
        } catch let failure as ConfigurationFailure {
            return failure.problems.map { problem in
                let text = problem.description
                guard let range = text.range(of: "/c.yaml:") else { return text }
                return String(text[range.upperBound...])
            }
        }
    }

    @Test func anEmptyFileHasTheDefaultsOfTheDesign() throws {
        let configuration = try load("").configuration
        #expect(configuration == Configuration())
        #expect(configuration.tws.ports == [4002, 4001, 7497, 7496])
        #expect(configuration.tws.clientId == 851)
        #expect(configuration.tws.tickByTickLines == 5 && configuration.tws.tickByTickSpacingNanos == 15_000_000_000)
        #expect(configuration.tws.requestsPerSecond == 45 && configuration.tws.onExcess == .recordFirst)
        #expect(configuration.connector.journalSizeBytes == 256 << 20)
        #expect(configuration.recorder.commitIntervalNanos == 100_000_000)
        #expect(configuration.recorder.holdBackBytes == 64 << 20)
        #expect(configuration.heal.requestsPer10Minutes == 60 && configuration.heal.perContractIn2Seconds == 6)
        #expect(configuration.watchdog.http.description == "127.0.0.1:8851")
        #expect(configuration.watchdog.staleWarnNanos == 300_000_000_000)
        #expect(configuration.watchdog.hangNanos == 5_000_000_000)
    }

    @Test func everyKeyOfAFileArrives() throws {
        let configuration = try load(
            """
            root: /srv/ticks
            source: 3
            tws:
              host: gateway.lan
              ports: [4001]
              client_id: 7
              market_data_lines: 200
              tick_by_tick_lines: 10
              tick_by_tick_spacing: 20s
              requests_per_second: 30
              on_excess: refuse
              market_data_type: 3
              any_account: true
              maintenance: ["daily 01:00-02:00 Europe/Berlin"]
              max_server_version: 187
            contracts:
              - con_id: 265598
                symbol: AAPL
                exchange: SMART
                ticks: [last, all_last]
                buffer_hours: 48
                required: false
              - {con_id: 12087792, symbol: EUR.USD}
            connector: {journal_dir: /var/j, journal_size: 1GiB}
            publish:
              tcp:
                - {endpoint: "tcp://0.0.0.0:5555", insecure: true}
            recorder: {commit_interval: 50ms, hold_back: 128MiB}
            storage: {keep_days: 30, keep_bytes: 2TiB}
            heal: {enabled: no, requests_per_10min: 50, identical: 16s, per_contract_2s: 5}
            watchdog: {http: "[::1]:9000", stale_warn: 1m, stale_restart: 10m, monitor_interval: 30s, hang: 7s}
            alerts:
              - {type: slack, url_file: /etc/secret, min_severity: error, repeat: 2h}
            """
        ).configuration
        #expect(configuration.root == "/srv/ticks" && configuration.source == 3)
        #expect(configuration.tws.host == "gateway.lan" && configuration.tws.ports == [4001])
        #expect(configuration.tws.maxServerVersion == 187 && configuration.tws.anyAccount)
        #expect(configuration.tws.maintenance.map(\.description) == ["daily 01:00-02:00 Europe/Berlin"])
        #expect(
            configuration.contracts == [
                TrackedContract(
                    conId: 265_598, symbol: "AAPL", exchange: "SMART", ticks: [.last, .allLast], bufferHours: 48,
                    required: false), TrackedContract(conId: 12_087_792, symbol: "EUR.USD"),
            ])
        #expect(
            configuration.streams.map(\.description) == [
                "265598.last@3", "265598.all_last@3", "12087792.bid_ask@3", "12087792.last@3",
            ])
        #expect(configuration.connector.journalDir == "/var/j" && configuration.connector.journalSizeBytes == 1 << 30)
        #expect(
            configuration.publish.tcp == [
                TCPEndpoint(endpoint: "tcp://0.0.0.0:5555", insecure: true)
            ])
        #expect(configuration.recorder.commitIntervalNanos == 50_000_000)
        #expect(configuration.storage.keepDays == 30 && configuration.storage.keepBytes == 2 << 40)
        #expect(!configuration.heal.enabled && configuration.heal.identicalNanos == 16_000_000_000)
        #expect(configuration.watchdog.http == HTTPAddress(host: "::1", port: 9000))
        #expect(configuration.watchdog.hangNanos == 7_000_000_000)
        #expect(configuration.alerts.first?.minSeverity == .error)
    }

    @Test func eachMistakeIsOneLineWithItsPlaceAndAdvice() throws {
        let found = try problems(
            """
            tws:
              hots: gw
              ports: [4002, 99999]
              tick_by_tick_spacing: 15
            recorder:
              hang: 3s
            watchdgo: {}
            contracts:
              - con_id: MNQ
                symbol: a/b
                ticks: [bidask]
              - symbol: X
            """)
        #expect(
            found == [
                "2:3: unknown key 'hots' in 'tws': did you mean 'host'?",
                "3:17: 'tws.ports' 99999 is out of range: use 1 to 65535",
                "4:25: 'tws.tick_by_tick_spacing' '15' is not a duration: write a number and a unit, such as 15s or 5m",
                "6:3: unknown key 'hang' in 'recorder': it belongs into 'watchdog'",
                "7:1: unknown key 'watchdgo': did you mean 'watchdog'?",
                "9:13: 'contracts[0].con_id' 'MNQ' is not an integer",
                "10:13: 'contracts[0].symbol' 'a/b' has characters that a path must not have: "
                    + "use letters, digits, '.', '_', '-'",
                "11:12: 'contracts[0].ticks' 'bidask' is no kind of tick: did you mean 'bid_ask'?",
                "12:5: 'contracts' entry 2 lacks the key 'con_id'",
            ])
    }

    @Test(arguments: [
        ("tws: [1]", "1:6: 'tws' must be a section with keys, but is a list"),
        ("tws: {host: [a]}", "1:13: 'tws.host' must be text, but is a list"),
        ("contracts: 5", "1:12: 'contracts' must be a list, but is a single value: begin each entry with '- '"),
        ("- a", "1:1: must consist of keys, but is a list"),
        ("source: 256", "1:9: 'source' 256 is out of range: use 0 to 255"),
        ("root: ticks", "1:7: 'root' 'ticks' is not an absolute path: begin it with /"),
        ("heal: {enabled: maybe}", "1:17: 'heal.enabled' 'maybe' is neither true nor false"),
        ("tws: {on_excess: drop}", "1:18: 'tws.on_excess' 'drop' is none of record_first, level1, refuse"),
        ("a: 1\na: 2", "2:1: key 'a' stands twice in this section"),
        ("a: &x 1", "1:4: anchors are not supported: write the value alone"),
        ("a: &x {b: 1}", "1:4: anchors are not supported: write the value alone"),
        ("a: *x", "1:4: aliases are not supported: write the value itself"),
        ("<<: *x", "1:5: aliases are not supported: write the value itself"),
        ("a: 1\n---\nb: 2", "2:1: more than one document in the file"),
    ]) func oneMistakeOneLine(text: String, problem: String) throws {
        #expect(try problems(text) == [problem])
    }

    @Test(arguments: [
        ("!!str 5", "!!str"), ("!foo x", "!foo"),
        ("!<tag:example.org,2026:a> x", "tag:example.org,2026:a"),
        ("!!null ''", "!!null"), ("!!seq [a]", "!!seq"), ("!!map {a: b}", "!!map"),
    ]) func aTagIsRefusedWithItsPlace(value: String, tag: String) throws {
        let advice = "tags are not supported, and this value has '\(tag)': write the value alone, a text in quotes"
        #expect(try problems("contracts:\n  - con_id: 1\n    symbol: \(value)\n") == ["3:13: \(advice)"])
        #expect(try problems("tws:\n  ports: [4001, \(value)]\n") == ["2:17: \(advice)"])
    }

    @Test(arguments: ["", "~", "null", "Null", "NULL", "# nothing"]) func noKeyIsWithoutAValue(null: String) throws {
        func expectRefused(_ text: String, _ path: String, _ place: String) throws {
            let found = try problems(text)
            #expect(found.count == 1, "\(text): \(found)")
            #expect(found.first?.hasPrefix("\(place): '\(path)' has no value") == true, "\(text): \(found)")
            #expect(found.first?.hasSuffix(", or take the key out") == true, "\(text): \(found)")
        }
        for section in ConfigurationSchema.sections {
            for key in section.keys {
                let top = section.name.isEmpty
                try expectRefused(
                    (top ? "" : section.name + ":\n  ") + "\(key.name): \(null)\n",
                    (top ? "" : section.name + ".") + key.name, top ? "1:1" : "2:3")
            }
        }
        for list in ["contracts", "alerts"] { try expectRefused("\(list): \(null)\n", list, "1:1") }
        func expectRefused<Item>(_ keys: [Key<Item>], in list: String, beside others: String) throws {
            for key in keys {
                let rest = others.split(separator: ";").filter { !$0.hasPrefix(key.name + ":") }.map { "      \($0)\n" }
                let head = list == "publish.tcp" ? "publish:\n  tcp:\n" : "\(list):\n"
                try expectRefused(
                    head + "    - \(key.name): \(null)\n" + rest.joined(), "\(list)[0].\(key.name)",
                    list == "publish.tcp" ? "3:7" : "2:7")
            }
        }
        try expectRefused(ConfigurationSchema.contractKeys, in: "contracts", beside: "con_id: 1;symbol: A")
        try expectRefused(ConfigurationSchema.tcpKeys, in: "publish.tcp", beside: "endpoint: 'tcp://127.0.0.1:5555'")
        try expectRefused(ConfigurationSchema.alertKeys, in: "alerts", beside: "type: webhook;url: x")
    }

    @Test func anEntryOfAListIsNotWithoutAValue() throws {
        let advice = "write one (in quotes, if '~' is meant as a text), or take the entry out"
        #expect(try problems("tws: {ports: [4001, ~]}") == ["1:21: 'tws.ports[1]' has no value (~): \(advice)"])
        #expect(
            try problems("contracts:\n  - ~\n  - {con_id: 1, symbol: A}") == [
                "2:5: 'contracts[0]' has no value (~): \(advice)"
            ])
    }

    @Test func everyKeyWithoutAValueIsNamedAtOnce() throws {
        let found = try problems("contracts:\n  - con_id:\n    symbol: null\n  - con_id:\n    symbol: B\n")
        #expect(found.map { String($0.prefix(3)) } == ["2:5", "3:5", "4:5"], "\(found)")
        #expect(
            found[1] == "3:5: 'contracts[0].symbol' has no value (null): "
                + "write one (in quotes, if 'null' is meant as a text), or take the key out")
    }

    @Test func quotesMakeATextOfANullAndASectionMayBeLeftEmpty() throws {
        let loaded = try load("tws:\nstorage:\n  # keep_days: 30\ncontracts: [{con_id: 1, symbol: 'null'}]")
        #expect(loaded.configuration.contracts.map(\.symbol) == ["null"])
        #expect(try problems("tws: ~") != [] && problems("tws: null") != [])
        #expect(try problems("# nothing\n") == [] && problems("---\n") == [])
    }

    @Test func brokenYAMLNamesItsPlace() throws {
        let found = try problems("tws:\n  host: 'x\n")
        #expect(found.count == 1)
        #expect(found[0].hasPrefix("3:1: not valid YAML: "))
        #expect(try problems("a: \u{1}")[0].contains("not valid YAML"))
    }

    @Test func aDeepOrWideTextIsRefused() throws {
        let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(try problems(deep)[0].contains("more than 16 levels"))
        let wide = "contracts: [" + String(repeating: "1,", count: 30_000) + "1]"
        #expect(try problems(wide)[0].contains("more than 20000 values"))
        let long = String(repeating: "#", count: Configuration.maxFileBytes + 1)
        #expect(try problems(long)[0].hasSuffix("can't be read: too large"))
    }

    @Test func aMissingFileIsAProblem() {
        #expect(
            throws: ConfigurationFailure(problems: [
                ConfigurationProblem(
                    file: "/nowhere/c.yaml", position: nil, message: "can't be read: No such file or directory")
            ])
        ) { try Configuration.load(file: "/nowhere/c.yaml", environment: [:]) }
    }

    @Test func whatNoKeySeesAloneIsChecked() throws {
        #expect(
            try problems("contracts: [{con_id: 1, symbol: A}, {con_id: 1, symbol: B}]").first?.contains("twice") == true
        )
        #expect(
            try problems("watchdog: {stale_warn: 1h}").first?.contains("'watchdog.stale_restart' is shorter") == true)
        #expect(try problems("alerts: [{type: slack}]").first?.contains("neither url nor url_file") == true)
        let open = "publish: {tcp: [{endpoint: 'tcp://0.0.0.0:5555'}]}"
        #expect(try problems(open).first?.contains("would be open to everybody") == true)
        #expect(try problems("publish: {tcp: [{endpoint: 'tcp://0.0.0.0:5555', insecure: true}]}") == [])
    }

    @Test func oneContractMayStandOncePerVenue() throws {
        let both = try load(
            """
            source: 3
            contracts:
              - {con_id: 1, symbol: A, exchange: SMART, ticks: [last]}
              - {con_id: 1, symbol: A, exchange: OVERNIGHT, source: 1, ticks: [last]}
              - {con_id: 2, symbol: B, source: 0, ticks: [last]}
            """
        ).configuration
        #expect(both.streams.map(\.description) == ["1.last@3", "1.last@1", "2.last"])
        #expect(both.contractOf[ContractID(conId: 1, source: 1)]?.exchange == "OVERNIGHT")
        #expect(both.contractOf.count == 3)
    }

    /// What is not told apart is refused, with what to write.
    @Test(arguments: [
        ("{con_id: 1, symbol: A}, {con_id: 1, symbol: B}", "the same source", "source: 1"),
        ("{con_id: 1, symbol: A, exchange: X}, {con_id: 1, symbol: A, exchange: Y}", "the same source", "source: 1"),
        (
            "{con_id: 1, symbol: A, source: 1}, {con_id: 1, symbol: A, exchange: Y, source: 1}", "same source",
            "source: 1"
        ),
        ("{con_id: 1, symbol: A}, {con_id: 1, symbol: A, exchange: Y, source: 1}", "with an 'exchange'", "source: 1"),
        ("{con_id: 1, symbol: A, exchange: X}, {con_id: 1, symbol: A, source: 1}", "with an 'exchange'", "source: 1"),
        (
            "{con_id: 1, symbol: A, exchange: X}, {con_id: 1, symbol: A, exchange: x, source: 1}", "exchange x",
            "'source:"
        ),
        (
            "{con_id: 1, symbol: A, exchange: X}, {con_id: 1, symbol: A, exchange: Y, source: 1}, "
                + "{con_id: 1, symbol: A, exchange: Z, source: 1}", "the same source", "source: 2"
        ),
    ])
    func venuesThatAreNotToldApartAreRefused(contracts: String, why: String, advice: String) throws {
        let found = try problems("contracts: [\(contracts)]")
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains("contract 1 stands twice") == true && found.first?.contains(why) == true)
        #expect(found.first?.contains(advice) == true, "\(found)")
    }

    @Test(arguments: [
        "tcp://localhost:5555", "tcp://127.0.0.1.example.com:5555", "tcp://eth0:5555", "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:+5555", "tcp://127.0.0.1:*", "tcp://:5555",
        "tcp://::1:5555", "tcp://[::1]", "tcp://[::1%lo]:5555", "tcp://[127.0.0.1]:5555", "tcp://[::g]:5555",
        "tcp://127.1:5555",
        "tcp://0127.0.0.1:5555", "tcp://127.0.0.1:5555/x", "tcp://127.0.0.1:80;127.0.0.1:5555", "TCP://127.0.0.1:5555",
        "udp://127.0.0.1:5555", "ipc:///tmp/x", "127.0.0.1:5555", "tcp:// 127.0.0.1:5555",
    ]) func anEndpointThatCanNotBeBoundIsRefused(endpoint: String) throws {
        let found = try problems("publish: {tcp: [{endpoint: '\(endpoint)', insecure: true}]}")
        #expect(found.count == 1 && found[0].contains("is no TCP endpoint that can be bound"), "\(found)")
        #expect(found.first?.hasPrefix("1:28: ") == true, "its place")
    }

    @Test(arguments: ["127.0.0.1", "127.255.1.2", "[::1]", "[::ffff:127.0.0.1]"])
    func loopbackNeedsNoWord(host: String) throws {
        #expect(try problems("publish: {tcp: [{endpoint: 'tcp://\(host):5555'}]}") == [])
    }

    @Test(arguments: ["*", "0.0.0.0", "[::]", "192.0.2.7", "[2001:db8::1]", "[::ffff:192.0.2.7]", "128.0.0.1"])
    func whatOthersReachNeedsAWord(host: String) throws {
        let found = try problems("publish: {tcp: [{endpoint: 'tcp://\(host):5555'}]}")
        #expect(found.count == 1 && found[0].contains("would be open to everybody"), "\(found)")
        #expect(try problems("publish: {tcp: [{endpoint: 'tcp://\(host):5555', insecure: true}]}") == [])
        guard host != "*" else { return }
        let page = try problems("watchdog: {http: '\(host):5555'}")
        #expect(page.count == 1 && page[0].contains("would be open to everybody") && page[0].contains("http_open"))
        #expect(try problems("watchdog: {http: '\(host):5555', http_open: true}") == [])
    }

    @Test(arguments: [
        "*:8851", ":8851", "8851", "localhost", "127.0.0.1", "127.0.0.1:", "127.0.0.1:+1", "127.0.0.1:65536",
        "::1:8851",
        "[::1]", "[:::]:8851", "[1]:8851", "gw.lan:8851", "127.0.0.1.example.com:8851", "http://127.0.0.1:8851",
    ]) func anAddressThatIsNoneIsNoPlaceForPages(address: String) throws {
        let found = try problems("watchdog: {http: '\(address)', http_open: true}")
        #expect(found.count == 1 && found[0].contains("is no address with a port"), "\(found)")
    }

    @Test(arguments: [
        ("127.0.0.1:1", "127.0.0.1:1", true), ("0.0.0.0:1", "127.0.0.1:1", true), ("*:1", "127.0.0.1:1", true),
        ("[::]:1", "0.0.0.0:1", true), ("[::]:1", "[::1]:1", true), ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
        ("127.0.0.1:1", "127.0.0.1:2", false), ("127.0.0.1:1", "127.0.0.2:1", false), ("127.0.0.1:1", "[::1]:1", false),
        ("0.0.0.0:1", "[::1]:1", false),
    ]) func onePortIsForOne(first: String, second: String, isRefused: Bool) throws {
        for (a, b) in [(first, second), (second, first)] {
            let found = try problems(
                "publish: {tcp: [{endpoint: 'tcp://\(a)', insecure: true}, {endpoint: 'tcp://\(b)', insecure: true}]}")
            #expect(found.map { $0.contains("can't both have port 1") } == (isRefused ? [true] : []), "\(found)")
        }
        guard !second.hasPrefix("*") else { return }
        let found = try problems(
            "watchdog: {http: '\(second)', http_open: true}\npublish: {tcp: [{endpoint: 'tcp://\(first)', insecure: true}]}"
        )
        #expect(found.map { $0.contains("watchdog.http can't both") } == (isRefused ? [true] : []), "\(found)")
    }

    @Test(arguments: ["replay: 'tcp://127.0.0.1:5556'", "history: 'tcp://127.0.0.1:5556'", "curve: /etc/keys"])
    func whatIsNotBuiltIsRefused(key: String) throws {
        let found = try problems("publish: {tcp: [{endpoint: 'tcp://127.0.0.1:5555', \(key)}]}")
        #expect(found.count == 1 && found[0].contains("is not built yet: leave it out"), "\(found)")
    }

    @Test(arguments: [
        ("gw:4002", "write gw, and 4002 into 'tws.ports'"), ("http://gw", "write gw"),
        ("tws://192.0.2.7:4001/", "write 192.0.2.7, and 4001 into 'tws.ports'"),
        ("[::1]:4002", "write ::1, and 4002 into 'tws.ports'"), ("gw/x", nil), ("a b", nil), ("::g", nil), ("%", nil),
        ("[::1", nil), ("::1]", nil), ("[gw]", nil), ("[192.0.2.7]", nil), ("[]", nil), ("[[::1]]", nil),
        ("gw..lan", nil),
        (".", nil), (".gw", nil), ("256.0.0.1", nil), ("gw.1", nil), ("fe80::1%", nil), ("fe80::1%a/b", nil),
        (":4002", nil),
    ]) func aGatewayThatIsNoHostIsRefused(host: String, advice: String?) throws {
        let found = try problems("tws: {host: '\(host)'}")
        #expect(found.count == 1 && found[0].contains("is no host name or address: write "), "\(found)")
        if let advice { #expect(found.first?.hasSuffix(": " + advice) == true, "\(found)") }
    }

    @Test func aZoneBelongsToALinkLocalAddressAndToNoOther() throws {
        #expect(
            try problems("tws: {host: 'fe80::1'}") == [
                "1:13: 'tws.host' 'fe80::1' is a link-local address without its interface: write it as fe80::1%eth0"
            ])
        #expect(
            try problems("tws: {host: '[::1%lo]'}") == [
                "1:13: 'tws.host' '[::1%lo]' names an interface that its address does not need: write ::1"
            ])
    }

    @Test(arguments: [
        ("localhost", "localhost"), ("gw-1.lan", "gw-1.lan"), ("gw.lan.", "gw.lan."), ("192.0.2.7", "192.0.2.7"),
        ("::1", "::1"),
        ("[::1]", "::1"), ("fe80::1%eth0", "fe80::1%eth0"), ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
    ]) func aGatewayIsANameOrAnAddress(host: String, meaning: String) throws {
        #expect(try load("tws: {host: '\(host)'}").configuration.tws.host == meaning)
        #expect(try load("", environment: ["IB_STREAM_TWS_HOST": host]).configuration.tws.host == meaning)
    }

    @Test(arguments: [
        ("::1:8851", "write it as [::1]:8851"), ("::1", "write it as [::1]:8851"), ("[::1]", "write it as [::1]:8851"),
        ("[::1", "write it as [::1]:8851"),
        ("[fe80::1%eth0]:8851", "an address with an interface (%) can't be listened at"),
        ("127.0.0.1:65536", "write it as 127.0.0.1:8851 or [::1]:8851"), ("gw.lan:8851", "write it as 127.0.0.1:8851"),
    ]) func anAddressToListenAtIsRefusedWithWhatToWrite(address: String, advice: String) throws {
        let page = try problems("watchdog: {http: '\(address)'}")
        #expect(page.count == 1 && page[0].contains("is no address with a port: \(advice)"), "\(page)")
        let feed = try problems("publish: {tcp: [{endpoint: 'tcp://\(address)'}]}")
        #expect(feed.count == 1 && feed[0].contains("is no TCP endpoint that can be bound: "), "\(feed)")
        if !advice.contains(" or "), advice.contains("[") {
            #expect(feed.first?.contains("write it as tcp://[::1]:") == true, "\(feed)")
        }
    }

    @Test func tooManyLinesUnderRefuseAreRefused() throws {
        func text(_ lines: Int) -> String {
            "tws: {on_excess: refuse, tick_by_tick_lines: \(lines)}\n"
                + "contracts: [{con_id: 1, symbol: A, ticks: [last, bid_ask, level1]}]"
        }
        #expect(try problems(text(1)).first?.contains("want 2 tick-by-tick lines, but") == true)
        #expect(try problems(text(2)) == [])
    }

    @Test func alertsAreWarnedAboutAsLongAsNobodyIsTold() throws {
        let loaded = try load("alerts: [{type: sendmail, command: x}]")
        #expect(loaded.warnings.count == 1 && loaded.warnings[0].contains("ALERTS ARE NOT BUILT YET"))
        #expect(try load("alerts: []").warnings.isEmpty)
    }

    @Test func whatRecordsNothingDoesNotStartAndTheFileIsNamed() throws {
        let directory = try TemporaryDirectory()
        for text in ["", "# nothing\n", "contracts: []\n"] {
            let file = try directory.file("c.yaml", text)
            let loaded = try Configuration.load(file: file, environment: [:])
            #expect(
                throws: ProgramError(
                    .configuration, "\(file): no contract to record: add one under 'contracts:' or use --simulate")
            ) { try loaded.startable(simulate: false, environment: ["HOME": "/root"]) }
        }
    }

    @Test func aJournalDirectoryThatCanNotBeMadeDoesNotStart() throws {
        let directory = try TemporaryDirectory()
        let plain = try directory.file("plain", "")
        for (path, works) in [
            (plain, false), (plain + "/j", false), ("/proc/j", false), (directory.path, true),
            (directory.path + "/a/b", true),
        ] {
            let loaded = try load("root: /r\ncontracts: [{con_id: 1, symbol: A}]\nconnector: {journal_dir: \(path)}")
            func start(_ usesJournal: Bool) throws(ProgramError) {
                _ = try loaded.startable(simulate: false, environment: [:], usesJournal: usesJournal)
            }
            if works { try start(true) } else { #expect(throws: ProgramError.self, "\(path)") { try start(true) } }
            try start(false)
        }
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/a"), "nothing stays")
    }

    // MARK: Environment

    @Test func theEnvironmentOverridesTheFileAndNewNamesOverrideTheSeeds() throws {
        let loaded = try load(
            "tws: {host: file, client_id: 1}",
            environment: [
                "IB_STREAM_HOST": "seed", "IB_STREAM_TWS_HOST": "new", "IB_STREAM_CLIENT_ID": "5",
                "IB_STREAM_TWS_PORTS": "4001, 4002", "IB_STREAM_WATCHDOG_HANG": "9s", "PATH": "/bin",
            ])
        #expect(loaded.configuration.tws.host == "new")
        #expect(loaded.configuration.tws.clientId == 5)
        #expect(loaded.configuration.tws.ports == [4001, 4002])
        #expect(loaded.configuration.watchdog.hangNanos == 9_000_000_000)
        #expect(loaded.warnings.isEmpty)
        let keys = Dictionary(uniqueKeysWithValues: loaded.effectiveKeys.map { ($0.path, $0) })
        #expect(keys["tws.host"]?.origin == .environment("IB_STREAM_TWS_HOST"))
        #expect(keys["tws.client_id"]?.origin == .environment("IB_STREAM_CLIENT_ID"))
        #expect(keys["tws.market_data_lines"]?.origin == .builtIn)
    }

    @Test func theSeedsContractsAreUnderstood() throws {
        let loaded = try load(
            "",
            environment: [
                "IB_STREAM_TRACKED_CONTRACTS": "711280073:MNQ:bid_ask;last:24,265598:AAPL",
                "IB_STREAM_STORAGE_PATH": "/d",
            ])
        #expect(
            loaded.configuration.contracts == [
                TrackedContract(conId: 711_280_073, symbol: "MNQ"), TrackedContract(conId: 265_598, symbol: "AAPL"),
            ])
        #expect(loaded.configuration.root == "/d")
    }

    @Test(arguments: [
        ("711280073", "environment IB_STREAM_TRACKED_CONTRACTS: '711280073' is no contract: write it as"),
        ("1:A:ask", "environment IB_STREAM_TRACKED_CONTRACTS: 'ask' is no kind of tick"),
        ("1:A:last:x", "environment IB_STREAM_TRACKED_CONTRACTS: 'x' is no number of hours"),
        ("1:..", "environment IB_STREAM_TRACKED_CONTRACTS: '..' has characters"),
    ]) func badContractsOfTheSeedAreRefused(text: String, message: String) throws {
        let found = try problems("", environment: ["IB_STREAM_TRACKED_CONTRACTS": text])
        #expect(found.count == 1 && found[0].hasPrefix(message))
    }

    @Test func unknownAndRetiredVariablesWarn() throws {
        let loaded = try load(
            "", environment: ["IB_STREAM_TWS_HOTS": "x", "IB_STREAM_ENABLE_JSON": "1", "IB_STREAM_LIFELINE": "7"])
        #expect(
            loaded.warnings == [
                "environment IB_STREAM_ENABLE_JSON has no meaning any more and is ignored",
                "environment IB_STREAM_TWS_HOTS is unknown and ignored: did you mean IB_STREAM_TWS_HOST?",
            ])
    }

    @Test func aBadVariableIsNamed() throws {
        #expect(
            try problems("", environment: ["IB_STREAM_TWS_PORTS": "4002,x"]) == [
                "environment IB_STREAM_TWS_PORTS: 'x' is not an integer"
            ])
    }

    // MARK: Show and simulate

    @Test func secretsAreNeverShown() throws {
        let loaded = try load("alerts: [{type: webhook, url: 'https://x/secret'}]")
        #expect(loaded.effectiveKeys.contains { $0.path == "alerts[0].url" && $0.value == "(hidden)" })
        #expect(!loaded.effectiveKeys.contains { $0.value.contains("secret") })
    }

    @Test func originsNameFileAndLine() throws {
        let keys = try load("source: 2\ncontracts:\n  - con_id: 1\n    symbol: A\n").effectiveKeys
        let source = keys.first { $0.path == "source" }
        #expect(source?.value == "2" && source?.origin.description.hasSuffix("/c.yaml:1") == true)
        #expect(keys.first { $0.path == "contracts[0].symbol" }?.origin.description.hasSuffix("/c.yaml:4") == true)
        #expect(keys.first { $0.path == "contracts[0].ticks" }?.value == "[bid_ask, last]")
    }

    @Test func simulationBringsContractsAndNoLimitsButTheFileDecides() throws {
        let plain = try load("", simulate: true).configuration
        #expect(plain.contracts == SimulatedMarket.contracts)
        #expect(plain.streams.count <= plain.tws.tickByTickLines)
        let own = try load(
            "tws: {tick_by_tick_lines: 2}\ncontracts: [{con_id: 1, symbol: A}]", simulate: true
        ).configuration
        #expect(own.tws.tickByTickLines == 2)
        #expect(own.contracts.map(\.conId) == [1])
    }
}
