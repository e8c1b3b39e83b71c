internal import Ticks

extension ConfigurationReader {
    /// What no key can see alone.
    mutating func checkTogether() {
        checkContracts()
        checkAddresses()
        if configuration.watchdog.staleRestartNanos < configuration.watchdog.staleWarnNanos {
            report("'watchdog.stale_restart' is shorter than 'watchdog.stale_warn'")
        }
        checkAlerts()
    }

    private mutating func checkContracts() {
        var seen: Set<Int32> = []
        for contract in configuration.contracts where !seen.insert(contract.conId).inserted {
            report("contract \(contract.conId) stands twice in 'contracts'", "name all its ticks in one entry")
        }
        let wanted = configuration.streams.count { $0.kind != .level1 }
        if configuration.tws.onExcess == .refuse, wanted > configuration.tws.tickByTickLines {
            report(
                "'contracts' want \(wanted) tick-by-tick lines, but 'tws.tick_by_tick_lines' is "
                    + "\(configuration.tws.tickByTickLines) and 'tws.on_excess' is refuse",
                "fewer 'ticks', or on_excess: record_first or level1")
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
