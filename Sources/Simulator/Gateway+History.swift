internal import TWS
internal import Ticks

/// Requests that the market's history answers.
extension Gateway {
    /// Ticks of one message; a longer answer comes in several, only the last of them `done`.
    static let historyMessageTicks = 16_384
    static let maxTicksAsked: Int32 = 1_000

    /// The last ticks up to this moment, in front of the live ones and with their request id.
    func sendRecent(_ request: TickByTickRequest, instrument: Int, _ client: ClientSession) {
        let ticks = history.ticks(
            instrument: instrument, kind: request.kind.tickKind, through: .max,
            openSecond: historyDelay == 0 ? .max : openSecond(of: instrument),
            limit: Int(request.numberOfTicks), ignoreSize: request.ignoreSize)
        send(
            [ticks.dropLast(faults.answers.seamTicks)], instrument: instrument, kind: request.kind.tickKind,
            as: request.kind.history, request.requestId, client)
    }

    /// The last seconds that history does not have yet.
    private var historyDelay: UInt32 {
        if case .delayed(let seconds) = faults.history { seconds } else { 0 }
    }

    /// Whether a fault has answered a request, or left it unanswered on purpose.
    private func isFaulty(_ requestId: Int32, _ client: ClientSession) -> Bool {
        func refuse(_ code: Int32, _ text: String) {
            client.sendError((code, text), requestId: requestId, nowNanos: nowNanos)
        }
        let service = "Historical Market Data Service error message:"
        if faults.isHistoryDown {
            refuse(162, service + "HMDS server disconnect occurred.  Attempting reconnection")
            return true
        }
        switch faults.history {
        case .none, .repeating, .delayed, .notice, .trades, .pages, .seam, .day: return false
        case .empty: refuse(162, service + "HMDS query returned no data")
        case .silent: break
        case .error(let code, let text): refuse(code, text ?? Notice.text(ofCode: code))
        }
        return true
    }

    func historicalTicks(_ request: HistoricalTicksRequest, _ client: ClientSession) {
        historyRequests += 1
        let requestId = request.requestId
        func refuse(_ notice: (Int32, String)) { client.sendError(notice, requestId: requestId, nowNanos: nowNanos) }
        guard let index = instrument(of: request.contract, requestId: requestId, client) else { return }
        guard let kind = HistoricalTicks.Kind.allCases.first(where: { $0.whatToShow == request.whatToShow }) else {
            return refuse(Notice.invalid("What to show is one of TRADES, BID_ASK and MIDPOINT"))
        }
        guard (1...Gateway.maxTicksAsked).contains(request.numberOfTicks) else {
            return refuse(Notice.invalid("Number of ticks must be 1 to 1000"))
        }
        guard request.startDateTime.isEmpty != request.endDateTime.isEmpty else {
            return refuse(Notice.invalid("Exactly one of start and end date-time must be given"))
        }
        let fromStart = request.endDateTime.isEmpty
        guard let time = RequestTime(parsing: fromStart ? request.startDateTime : request.endDateTime) else {
            return refuse(Notice.badDateTime)
        }
        if options.enforce {
            guard !(kind == .trades && instruments[index].hasNoTrades) else {
                return refuse((162, "Historical Market Data Service error message:No historical data query found"))
            }
            guard limits.allowsHistory(pacingKey(request, instruments[index]), nowNanos: nowBootNanos) else {
                violations += 1
                return refuse(Notice.historyPacing)
            }
        }
        guard !isFaulty(requestId, client) else { return }
        if let notice = faults.answers.notice { refuse((notice.code, notice.text)) }
        let second = repeated(UInt32(clamping: time.utcSeconds), instrument: index, kind: kind.tickKind)
        let hasAll = kind == .trades && faults.answers.trades != .reported
        let isReported = kind == .trades && !hasAll
        let source = hasAll ? TickKind.allLast : kind.tickKind
        let isBeforeEnd = fromStart && faults.answers.dayEnd.map { second < $0 } ?? false
        let open = min(openSecond(of: index), isBeforeEnd ? faults.answers.dayEnd ?? .max : .max)
        func last(_ limit: Int) -> [MarketTick] {
            history.ticks(
                instrument: index, kind: source, through: second, openSecond: open, limit: limit,
                ignoreSize: request.ignoreSize, reportedOnly: isReported)
        }
        var ticks =
            fromStart
            ? history.ticks(
                instrument: index, kind: source, from: second, openSecond: open,
                limit: Int(request.numberOfTicks), ignoreSize: request.ignoreSize, reportedOnly: isReported)
            : last(Int(request.numberOfTicks))
        if isBeforeEnd, ticks.isEmpty { ticks = last(1).suffix(1) }
        if hasAll, faults.answers.trades == .unmarked { ticks = ticks.map { $0.without(.unreported) } }
        send(
            messages(ticks, instrument: index, kind: kind.tickKind), instrument: index, kind: kind.tickKind, as: kind,
            requestId, client)
    }

    /// The messages of an answer: one, or by the fault `pages again` more, which
    /// have some of it, or of the last one, again.
    private func messages(_ ticks: [MarketTick], instrument: Int, kind: TickKind) -> [ArraySlice<MarketTick>] {
        let stream = instrument * StreamSlot.kinds.count + (StreamSlot.index(kind) ?? 0)
        let before = lastAnswers.updateValue(ticks, forKey: stream) ?? []
        let drawn = RandomSource.hash(options.seed, UInt64(historyRequests), UInt64(stream))
        let source = drawn & 1 == 0 ? ticks : before
        guard faults.answers.repeatsPages, let first = source.indices.element(drawn >> 8) else { return [ticks[...]] }
        let isWhole = drawn & 2 == 0
        let end = isWhole ? source.count : first + 1 + Int((drawn >> 32) % UInt64(source.count - first))
        let again = source[(isWhole ? 0 : first)..<end]
        return drawn & 1 == 0 ? [ticks[...], again] : [again, ticks[...]]
    }

    func headTimestamp(_ request: HeadTimestampRequest, _ client: ClientSession) {
        guard let index = instrument(of: request.contract, requestId: request.requestId, client) else { return }
        let kind: TickKind
        switch request.whatToShow {
        case "BID", "ASK", "BID_ASK": kind = .bidAsk
        case "MIDPOINT": kind = .midPoint
        default: kind = .last
        }
        guard let second = history.firstSecond(instrument: index, kind: kind) else {
            return client.sendError(
                (162, "Historical Market Data Service error message:No head time stamp"), requestId: request.requestId,
                nowNanos: nowNanos)
        }
        let time = CivilTime(seconds: Int64(second))
        let text = request.formatDate == 2 ? "\(second)" : "\(time.compactDate)-\(time.clock)"
        client.send(.headTimestamp(requestId: request.requestId, text))
    }

    /// The second to answer with: the one asked for, or by the fault `repeat` the first one that was asked for with it.
    private func repeated(_ second: UInt32, instrument: Int, kind: TickKind) -> UInt32 {
        guard faults.history == .repeating else { return second }
        // One second before the first question: no answer ever has what was asked for.
        let kept = faults.repeatedSecond ?? second - min(second, 1)
        faults.repeatedSecond = kept
        return kept
    }

    /// The second that is not over, or not in history yet: what has happened in it is not history.
    private func openSecond(of instrument: Int) -> UInt32 {
        if faults.history == .repeating, let repeated = faults.repeatedSecond { return repeated + 1 }
        if let replay, replay.instrument == instrument { return replay.openSecond }
        return market.second - min(market.second, historyDelay)
    }

    private func pacingKey(_ request: HistoricalTicksRequest, _ instrument: Instrument) -> Limits.HistoryRequest {
        Limits.HistoryRequest(
            conId: instrument.conId, exchange: request.contract.exchange, type: request.whatToShow,
            details: "\(request.startDateTime)|\(request.endDateTime)|\(request.numberOfTicks)|"
                + "\(request.useRegularHours)|\(request.ignoreSize)")
    }

    private func send(
        _ messages: [ArraySlice<MarketTick>], instrument: Int, kind: TickKind, as form: HistoricalTicks.Kind,
        _ requestId: Int32, _ client: ClientSession
    ) {
        let conId = instruments[instrument].conId
        for (index, message) in messages.enumerated() {
            let ticks = client.takesFractions ? Array(message) : message.map(\.withWholeSizes)
            var rest = ticks[...]
            repeat {
                let part = rest.prefix(Gateway.historyMessageTicks)
                rest = rest.dropFirst(part.count)
                client.send(
                    .historicalTicks(
                        HistoricalTicks(
                            requestId: requestId, kind: form,
                            ticks: part.map { HistoricalTick(tick: $0.tick(conId: conId)) },
                            done: rest.isEmpty && index == messages.count - 1)))
            } while !rest.isEmpty
            markHistory(ticks, instrument: instrument, kind: kind, client: client)
        }
    }
}

/// A date-time of a request: `YYYYMMDD HH:MM:SS ZONE`, without zone the login's, or `YYYYMMDD-HH:MM:SS` in UTC.
struct RequestTime: Equatable {
    let utcSeconds: Int64

    /// Nil when it is no date-time, or one in a zone that this market does not know.
    init?(parsing text: String) {
        let bytes = Array(text.trimmed.utf8)
        func number(_ range: Range<Int>) -> Int64? {
            guard range.upperBound <= bytes.count, bytes[range].allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            return Int64(String(decoding: bytes[range], as: UTF8.self))
        }
        guard let year = number(0..<4), let month = number(4..<6), let day = number(6..<8), let hour = number(9..<11),
            let minute = number(12..<14), let second = number(15..<17), bytes[11] == 0x3A, bytes[14] == 0x3A,
            let civil = CivilTime(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
        else { return nil }
        let rest = String(decoding: bytes[17...], as: UTF8.self)
        if bytes[8] == UInt8(ascii: "-") {
            guard rest.isEmpty || rest == "Z" else { return nil }
            utcSeconds = civil.seconds
        } else {
            guard bytes[8] == 0x20, rest.isEmpty || rest.hasPrefix(" ") else { return nil }
            guard let zone = rest.isEmpty ? .eastern : MarketZone(name: rest.trimmed) else { return nil }
            utcSeconds = zone.utc(ofLocal: civil)
        }
    }
}

extension Range<Int> {
    /// The element that a drawn number picks; nil when there is none.
    fileprivate func element(_ drawn: UInt64) -> Int? {
        isEmpty ? nil : lowerBound + Int(drawn % UInt64(count))
    }
}
