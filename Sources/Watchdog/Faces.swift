internal import JSON
internal import ServiceKit
internal import Supervision
internal import Ticks

/// The JSON that the watchdog shows, made from one snapshot.
enum Faces {
    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        .object(JSONObject(members.map { JSONObject.Member(name: $0.0, value: $0.1) }))
    }

    private static func optional(_ value: Int64?) -> JSONValue { value.map { .integer($0) } ?? .null }

    private static func time(_ nanos: Int64) -> JSONValue {
        nanos > 0 ? .string(Timestamp.text(nanos, digits: 6)) : .null
    }

    /// Answer of the control command `status`: services, session, streams, health.
    static func status(_ snapshot: Snapshot, http: HTTPAddress?) -> JSONValue {
        let fresh = snapshot.isFresh(nowNanos: bootNanos())
        return object([
            ("health", .string(fresh ? snapshot.health.overall.name.description : "unknown")),
            ("reasons", .array(snapshot.health.reasons.map { .string($0) })), ("time", time(snapshot.wallNanos)),
            ("simulated", .bool(snapshot.simulated)),
            ("http", http.map { .string($0.description) } ?? .null),
            ("config", .string(snapshot.configuration)),
            ("session", .string(snapshot.session)), ("journal", journal(snapshot)), ("services", services(snapshot)),
            ("streams", streams(snapshot)),
        ])
    }

    /// How long the journal's room lasts.
    private static func journal(_ snapshot: Snapshot) -> JSONValue {
        object([
            ("reach_seconds", optional(snapshot.journalReachSeconds)),
            ("left_seconds", optional(snapshot.journalLeftSeconds)),
        ])
    }

    static func services(_ snapshot: Snapshot) -> JSONValue {
        object(
            snapshot.services.map { service in
                let fields: [(String, JSONValue)] = [
                    ("state", .string(service.state)), ("up", .bool(service.isUp)),
                    ("pid", service.pid.map { .integer(Int64($0)) } ?? .null),
                    ("restarts", .integer(Int64(service.restarts))), ("started", time(service.startedAtNanos)),
                    ("silent_millis", .integer(service.silentNanos / 1_000_000)),
                    ("disk_wait_millis", .integer(service.diskWaitNanos / 1_000_000)),
                    ("answers_ping", .bool(service.answersPing)),
                    ("config", service.configuration.map { .string($0) } ?? .null),
                    ("config_read", service.configurationRead.map { .string($0) } ?? .null),
                    ("ticks", optional(service.ticks.map { Int64(clamping: $0) })),
                    ("backlog", optional(service.backlog.map { Int64(clamping: $0) })),
                    ("sealing", service.sealing.map { .string($0) } ?? .null),
                    ("sealed_to", service.sealedTo.map { .string($0) } ?? .null),
                    ("sealed_bytes", optional(service.sealedBytes)),
                    ("status", .string(service.status)), ("tasks", .string(service.tasks)),
                    ("last_exit", service.lastExit.isEmpty ? .null : .string(service.lastExit)),
                ]
                return (service.name, object(fields))
            })
    }

    /// Per stream: state, reason, what is published and durable, how far one is behind the other.
    static func streams(_ snapshot: Snapshot) -> JSONValue {
        object(
            snapshot.streams.map { stream in
                let fields: [(String, JSONValue)] = [
                    ("symbol", .string(stream.symbol)), ("exchange", stream.exchange.map { .string($0) } ?? .null),
                    ("state", .string(stream.state.rawValue)),
                    ("reason", .string(stream.reason)), ("required", .bool(stream.required)),
                    ("silent_millis", optional(stream.silentNanos.map { $0 / 1_000_000 })),
                    ("durable", key(stream.durable)), ("published", key(stream.published)),
                    ("lag", stream.lag.map { .integer(Int64($0)) } ?? .null),
                    ("durable_lag_seconds", seconds(stream.durableLagNanos)),
                    ("ts_event", stream.tsEventNanos == Tick.noEventTime ? .null : time(stream.tsEventNanos)),
                    ("ts_recv", time(stream.tsRecvNanos)),
                    ("ticks_per_second", .number((stream.ticksPerSecond * 10).rounded() / 10)),
                ]
                return (stream.id.description, object(fields))
            })
    }

    /// Seconds with one digit behind the point.
    private static func seconds(_ nanos: Int64?) -> JSONValue {
        nanos.map { .number(Double($0 / 100_000_000) / 10) } ?? .null
    }

    /// `[epoch, seq]`.
    private static func key(_ key: TickKey?) -> JSONValue {
        key.map { .array([.integer(Int64($0.epoch)), .integer(Int64($0.seq))]) } ?? .null
    }

    // MARK: HTTP

    /// A page: HTTP status and body.
    struct Page {
        let status: Int
        let body: JSONValue
    }

    /// `/live`: the judge's loop runs.
    static func live(_ snapshot: Snapshot, nowNanos: Int64) -> Page {
        let fresh = snapshot.isFresh(nowNanos: nowNanos)
        return Page(
            status: fresh ? 200 : 503,
            body: object([
                ("live", .bool(fresh)), ("age_millis", .integer(max(0, nowNanos - snapshot.bootNanos) / 1_000_000)),
            ]))
    }

    /// `/health`: 200 while every required stream's ticks are durable, or need not come.
    static func health(_ snapshot: Snapshot, nowNanos: Int64) -> Page {
        let fresh = snapshot.isFresh(nowNanos: nowNanos)
        let health = snapshot.health
        let reasons = fresh ? health.reasons : ["the watchdog's judge stands still"]
        return Page(
            status: fresh ? health.httpStatus : 503,
            body: object([
                ("service", "ib-stream"),
                ("status", .string(!fresh || health.overall == .down ? "unhealthy" : health.overall.name.description)),
                ("timestamp", time(realNanos())), ("tws_connected", .bool(fresh && snapshot.sessionReady == true)),
                ("reasons", .array(reasons.map { .string($0) })),
                (
                    "background_streaming",
                    object([
                        ("enabled", true), ("tracked_contracts", .integer(Int64(snapshot.contracts.count))),
                        ("status", isRunning(snapshot, fresh) ? "running" : "stopped"),
                        ("data_flowing", .bool(fresh && snapshot.streams.contains(where: isFlowing))),
                    ])
                ), ("simulated", .bool(snapshot.simulated)), ("config", .string(snapshot.configuration)),
                ("journal", journal(snapshot)), ("services", services(snapshot)), ("streams", streams(snapshot)),
            ]))
    }

    /// Streaming runs: the services do, the gateway's session is ready, and not every stream is down.
    private static func isRunning(_ snapshot: Snapshot, _ fresh: Bool) -> Bool {
        fresh && !snapshot.services.isEmpty && snapshot.services.allSatisfy(\.isUp) && snapshot.sessionReady == true
            && snapshot.streams.contains { $0.state.isRecorded }
    }

    private static func isFlowing(_ stream: Snapshot.Stream) -> Bool {
        stream.state == .live
            || stream.state == .healing && stream.silentNanos.map { $0 <= StreamJudge.liveLimitNanos } ?? false
    }

    /// True for a stream of which the durable facts say that it is as it should be.
    private static func isActive(_ stream: Snapshot.Stream, _ fresh: Bool) -> Bool {
        fresh && stream.state.isRecorded && stream.durable != nil
    }

    /// `/background/status`: the original system's JSON, from durable facts.
    static func backgroundStatus(_ snapshot: Snapshot, nowNanos: Int64) -> Page {
        let fresh = snapshot.isFresh(nowNanos: nowNanos)
        var contracts: [(String, JSONValue)] = []
        var activeContracts = 0
        var activeStreams = 0
        for (id, contract) in snapshot.contracts {
            let streams = snapshot.streams.filter { $0.id.contract == id }
            let active = streams.filter { isActive($0, fresh) }
            if !active.isEmpty { activeContracts += 1 }
            activeStreams += active.count
            contracts.append(
                (
                    id.description,
                    object([
                        ("symbol", .string(contract.symbol)),
                        ("exchange", contract.exchange.map { .string($0) } ?? .null), ("enabled", true),
                        ("expected_tick_types", names(streams)), ("active_tick_types", names(active)),
                        ("stream_count", .integer(Int64(active.count))),
                        ("buffer_hours", .integer(Int64(contract.bufferHours))), ("required", .bool(contract.required)),
                        ("last_durable", time(streams.map(\.tsRecvNanos).max() ?? 0)),
                        (
                            "states",
                            object(streams.map { ($0.id.kind.name.description, .string($0.state.rawValue)) })
                        ),
                    ])
                ))
        }
        let status = object([
            ("running", .bool(isRunning(snapshot, fresh))),
            ("tws_connected", .bool(fresh && snapshot.sessionReady == true)),
            ("total_contracts", .integer(Int64(snapshot.contracts.count))),
            ("active_contracts", .integer(Int64(activeContracts))), ("total_streams", .integer(Int64(activeStreams))),
            ("contracts", object(contracts)),
        ])
        let config = object([
            ("max_tracked_contracts", .integer(Int64(snapshot.marketDataLines))),
            ("tracked_contracts_count", .integer(Int64(snapshot.contracts.count))),
        ])
        return Page(
            status: 200,
            body: object([
                ("enabled", true), ("timestamp", time(realNanos())), ("status", status), ("config", config),
            ]))
    }

    private static func names(_ streams: [Snapshot.Stream]) -> JSONValue {
        .array(streams.map { .string($0.id.kind.name.description) })
    }

    /// `/background/health`: per contract, in the original service's words.
    static func backgroundHealth(_ snapshot: Snapshot, nowNanos: Int64) -> Page {
        let fresh = snapshot.isFresh(nowNanos: nowNanos)
        var counts: [String: Int64] = [:]
        var contracts: [(String, JSONValue)] = []
        for (id, contract) in snapshot.contracts {
            let streams = snapshot.streams.filter { $0.id.contract == id }
            let status = fresh ? word(streams) : "UNKNOWN"
            counts[status, default: 0] += 1
            contracts.append((id.description, contractHealth(contract, streams, status, snapshot)))
        }
        let down = !fresh || snapshot.health.overall == .down
        let overall = down ? "UNHEALTHY" : snapshot.health.overall == .degraded ? "DEGRADED" : "HEALTHY"
        let words = ["HEALTHY", "DEGRADED", "UNHEALTHY", "OFF_HOURS", "UNKNOWN"]
        return Page(
            status: down ? 503 : 200,
            body: object([
                ("overall_status", .string(overall)), ("timestamp", time(realNanos())),
                ("contracts", object(contracts)),
                ("summary", object(words.map { ($0.lowercased(), .integer(counts[$0] ?? 0)) })),
            ]))
    }

    private static func word(_ streams: [Snapshot.Stream]) -> String {
        if !streams.isEmpty, streams.allSatisfy({ $0.state == .closed }) { return "OFF_HOURS" }
        if streams.contains(where: { $0.state == .unknown }) { return "UNKNOWN" }
        switch streams.map(\.state.health).max() ?? .down {
        case .healthy: return "HEALTHY"
        case .degraded: return "DEGRADED"
        case .down: return "UNHEALTHY"
        }
    }

    private static func contractHealth(
        _ contract: TrackedContract, _ streams: [Snapshot.Stream], _ status: String, _ snapshot: Snapshot
    ) -> JSONValue {
        let last = streams.map(\.tsRecvNanos).max() ?? 0
        let silent = streams.compactMap(\.silentNanos).min()
        let staleness = object([
            ("last_tick", time(last)),
            ("minutes_ago", last > 0 ? .number(Double((realNanos() - last) / 600_000_000) / 100) : .null),
            ("is_stale", .bool(silent.map { $0 > snapshot.staleWarnNanos } ?? true)),
            ("threshold_minutes", .number(Double(snapshot.staleWarnNanos) / 60e9)),
        ])
        let details = streams.map { stream in
            (
                stream.id.kind.name.description,
                object([
                    ("tick_type", .string(stream.id.kind.name.description)), ("active", .bool(isActive(stream, true))),
                    ("state", .string(stream.state.rawValue)), ("last_tick", time(stream.tsRecvNanos)),
                    ("last_error", stream.reason.isEmpty ? .null : .string(stream.reason)),
                ])
            )
        }
        let issues = streams.filter { !$0.reason.isEmpty && $0.state.health != .healthy }.map {
            JSONValue.string("\($0.id): \($0.reason)")
        }
        let market = streams.first?.marketOpen.map { $0 ? "OPEN" : "CLOSED" } ?? "UNKNOWN"
        return object([
            ("symbol", .string(contract.symbol)), ("exchange", contract.exchange.map { .string($0) } ?? .null),
            ("status", .string(status)),
            ("market_status", .string(market)), ("data_staleness", staleness),
            ("streams", object(details)), ("connection_issues", .array(issues)),
        ])
    }
}
