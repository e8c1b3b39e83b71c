internal import Ticks

extension ConfigurationReader {
    /// What no key can see alone.
    mutating func checkTogether() {
        checkContracts()
        checkAddresses()
        if configuration.watchdog.staleRestartNanos < configuration.watchdog.staleWarnNanos {
            report("'watchdog.stale_restart' is shorter than 'watchdog.stale_warn'")
        }
        checkZones()
        checkAlerts()
    }

    private mutating func checkContracts() {
        for (index, contract) in configuration.contracts.enumerated() { checkVenue(index, contract) }
        let wanted = configuration.streams.count { $0.kind != .level1 }
        if configuration.tws.onExcess == .refuse, wanted > configuration.tws.tickByTickLines {
            report(
                "'contracts' want \(wanted) tick-by-tick lines, but 'tws.tick_by_tick_lines' is "
                    + "\(configuration.tws.tickByTickLines) and 'tws.on_excess' is refuse",
                "fewer 'ticks', or on_excess: record_first or level1")
        }
    }

    /// Entries of one contract are its venues, each with an exchange and a source that tells it apart.
    private mutating func checkVenue(_ index: Int, _ contract: TrackedContract) {
        let others = configuration.contracts[..<index].filter { $0.conId == contract.conId }
        guard let first = others.first else { return }
        let sources = Set(others.map { configuration.id(of: $0).source })
        let free = (0...255).first { !sources.contains(UInt8($0)) } ?? 255
        let advice =
            "name all ticks of a venue in one entry; another venue's needs an 'exchange' and a 'source' of its own, such as "
            + "'exchange: OVERNIGHT' and 'source: \(max(1, free))'"
        if sources.contains(configuration.id(of: contract).source) {
            return report("contract \(contract.conId) stands twice in 'contracts' with the same source", advice)
        }
        let exchanges = others.map { $0.exchange?.uppercased() }
        if first.exchange == nil || contract.exchange == nil {
            report(
                "contract \(contract.conId) stands twice in 'contracts', and not each time with an 'exchange'", advice)
        } else if let exchange = contract.exchange, exchanges.contains(exchange.uppercased()) {
            report("contract \(contract.conId) stands twice in 'contracts' with the exchange \(exchange)", advice)
        }
    }

    /// Who reaches the addresses, and whether all of them can be had.
    private mutating func checkAddresses() {
        let http = configuration.watchdog.http
        if !http.isLoopback, !configuration.watchdog.httpOpen {
            report(
                "'watchdog.http' \(http) would be open to everybody on the network",
                "write 127.0.0.1:\(http.port), or say 'http_open: true' beside it")
        }
        var taken: [(name: String, address: HTTPAddress)] = [("watchdog.http", http)]
        for endpoint in configuration.publish.tcp {
            guard let address = HTTPAddress(endpoint: endpoint.endpoint) else { continue }
            let name = "publish.tcp \(endpoint.endpoint)"
            if !endpoint.insecure, !address.isLoopback {
                report(
                    "\(name) would be open to everybody on the network",
                    "write a loopback address, or say 'insecure: true'")
            }
            if let other = taken.first(where: { $0.address.overlaps(address) }) {
                report("\(name) and \(other.name) can't both have port \(address.port)", "choose another port")
            }
            taken.append((name, address))
        }
    }

    private mutating func checkZones() {
        guard !ZoneRules.isDatabaseThere else { return }
        warnings.append(
            "this host knows no time zones (\(ZoneRules.directory) lacks them): trading hours and 'tws.maintenance' are not used, "
                + "and a closed market counts as one that may be open: install tzdata")
    }

    private mutating func checkAlerts() {
        for alert in configuration.alerts {
            let needsURL = alert.type != .command && alert.type != .sendmail
            if needsURL, alert.url == nil, alert.urlFile == nil {
                report("alert '\(alert.type.rawValue)' has neither url nor url_file")
            } else if !needsURL, alert.command == nil {
                report("alert '\(alert.type.rawValue)' has no command")
            }
        }
        if !configuration.alerts.isEmpty {
            warnings.append(
                "ALERTS ARE NOT BUILT YET: 'alerts' names \(configuration.alerts.count), and nobody will be told anything: "
                    + "watch /health from outside until they are")
        }
    }

    private mutating func report(_ message: String, _ suggestion: String? = nil) {
        problems.append(ConfigurationProblem(file: file, position: nil, message: message, suggestion: suggestion))
    }
}
