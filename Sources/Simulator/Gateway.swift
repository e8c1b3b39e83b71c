internal import ServiceKit
internal import TWS
internal import Ticks

/// The simulated gateway: its market, its clients and what connects them. Does no waiting of its own.
///
/// Owner: the event loop, which reads the sockets, calls `step` every few milliseconds and flushes. Streams have
/// positions: instrument position times four plus the kind's `StreamSlot`.
final class Gateway {
    /// How long the streams of a lost client still count as wanted, so that the market keeps its pace meanwhile.
    static let wantedAfterLossNanos: Int64 = 60_000_000_000
    static let maxClients = 32
    static let accounts = ["SIM000001"]
    /// The versions that are spoken, up to the option's maximum.
    let versions: ClosedRange<Int>

    /// One tick-by-tick subscription of one client.
    struct LiveSubscription {
        let client: ClientSession
        let requestId: Int32
        var filter: SizeFilter
    }

    let options: Options
    let instruments: [Instrument]
    /// Which instruments the generator makes: positions in `instruments`.
    let generated: [Int]
    var market: Market
    var replay: Replay?
    var history: HistoryStore
    var boards: [Level1Board]
    var clients: [ClientSession] = []
    var live: [[LiveSubscription]]
    var level1: [Level1Subscription] = []
    var faults = Faults()
    var limits: Limits
    /// Requests for history that were answered, or refused for their pace.
    var historyRequests = 0
    /// What was last answered, by stream position: what `pages again` may tell again.
    var lastAnswers: [Int: [MarketTick]] = [:]
    /// Limits that clients broke (`--enforce`).
    var violations = 0
    let truth: RowFile?
    let events: RowFile?
    private var rowWriter = TickRow()
    private var row: [UInt8] = []
    private var wantedUntilNanos: [Int64]
    private var nextLevel1Nanos: [Int64]
    private var lastStepNanos: Int64
    private var nextSecondNanos: Int64 = 0
    private(set) var ticksMade = 0
    private(set) var ticksQueued = 0
    /// Real time of the current turn of the loop, ns since the Unix epoch.
    var nowNanos: Int64
    /// The same turn, ns since boot.
    var nowBootNanos: Int64

    /// `nowNanos` and `nowBootNanos` are the clocks at the start; the market's warm-up ends at that moment.
    init(
        options: Options, instruments: [Instrument], replay: Replay?, truth: RowFile?, events: RowFile?,
        nowNanos: Int64, nowBootNanos: Int64
    ) {
        self.options = options
        self.instruments = instruments
        self.replay = replay
        self.truth = truth
        self.events = events
        self.nowNanos = nowNanos
        self.nowBootNanos = nowBootNanos
        versions = ServerVersion.supported.lowerBound...options.maxVersion
        generated = instruments.indices.filter { $0 != replay?.instrument }
        market = Market(
            generated.map { instruments[$0] }, seed: options.seed, ratePerSecond: options.rate,
            lastHasAll: options.lastHasAll)
        limits = Limits(historyPer10Minutes: options.historyPer10Minutes)
        history = HistoryStore(instruments: instruments.count, limitTicks: options.keepTicks)
        boards = Array(repeating: Level1Board(), count: instruments.count)
        let streams = instruments.count * StreamSlot.kinds.count
        live = Array(repeating: [], count: streams)
        wantedUntilNanos = Array(repeating: 0, count: streams)
        nextLevel1Nanos = Array(repeating: 0, count: instruments.count)
        lastStepNanos = nowBootNanos
        warmUp()
    }

    /// The market has been going on for a while when the first client comes, so that there is history to ask for.
    private func warmUp() {
        let pieceNanos: Int64 = 50_000_000
        var before = Int64(options.warmUpSeconds) * 1_000_000_000
        while before > 0 {
            before -= pieceNanos
            market.advance(nowNanos: nowNanos - before, elapsedNanos: pieceNanos) { index, tick in
                happened(tick, instrument: generated[index])
            }
        }
    }

    // MARK: The market's turn

    /// Lets time pass up to now: makes what the market does, queues it for the subscribers, samples level 1.
    func step(nowNanos: Int64, nowBootNanos: Int64) {
        self.nowNanos = nowNanos
        self.nowBootNanos = nowBootNanos
        if nowBootNanos >= nextSecondNanos {
            nextSecondNanos = nowBootNanos + 1_000_000_000
            shareRate()
            truth?.flush()
            events?.flush()
        }
        market.advance(nowNanos: nowNanos, elapsedNanos: nowBootNanos - lastStepNanos) { index, tick in
            happened(tick, instrument: generated[index])
        }
        lastStepNanos = nowBootNanos
        playReplay()
        sampleLevel1()
        for client in clients where client.output.count > options.clientBufferBytes {
            client.end("it does not read: \(client.output.count) bytes wait for it")
        }
    }

    private func playReplay() {
        guard let instrument = replay?.instrument else { return }
        let first = instrument * StreamSlot.kinds.count
        let subscribed = StreamSlot.kinds.enumerated().filter { !live[first + $0.offset].isEmpty }.map(\.element)
        replay?.offer(subscribed: Set(subscribed), nowNanos: nowBootNanos)
        let hasRoom = hasReplayRoom
        for row in replay?.take(nowNanos: nowBootNanos, hasRoom: hasRoom) ?? [] {
            happened(row.tick, instrument: instrument)
        }
    }

    /// Whether those who listen to the replay have read nearly all of it: what paces speed 0.
    private var hasReplayRoom: Bool {
        guard let instrument = replay?.instrument, !faults.isStalled else { return false }
        let first = instrument * StreamSlot.kinds.count
        return live[first..<(first + StreamSlot.kinds.count)].allSatisfy { stream in
            stream.allSatisfy { $0.client.output.count < 1 << 18 }
        }
    }

    /// One tick of the market: into the history and to whoever subscribed to it.
    private func happened(_ made: MarketTick, instrument: Int) {
        // A gateway of an old version knows whole sizes only, its history and its truth too.
        let tick = options.maxVersion < ServerVersion.fractionalSizes ? made.withWholeSizes : made
        guard let slot = StreamSlot.index(tick.kind) else { return }
        ticksMade += 1
        history.append(tick, instrument: instrument)
        boards[instrument].update(tick)
        let stream = instrument * StreamSlot.kinds.count + slot
        let isHeard =
            !live[stream].isEmpty && !faults.stops(instrument: instruments[instrument])
            && (faults.mutedStreams.isEmpty || !faults.mutedStreams.contains(stream))
            && (faults.silencedStreams.isEmpty || !faults.silencedStreams.contains(stream))
        guard isHeard || events != nil else { return }
        var record = tick.tick(conId: instruments[instrument].conId)
        if events != nil || truth != nil {
            row.removeAll(keepingCapacity: true)
            rowWriter.append(record, to: &row)
            events?.append(row)
        }
        guard isHeard else { return }
        if let offset = faults.offsets[stream] {
            record.shiftPrices(offset.units)
            row.removeAll(keepingCapacity: true)
            if truth != nil { rowWriter.append(record, to: &row) }
        }
        for index in live[stream].indices where live[stream][index].filter.passes(tick) {
            let subscriber = live[stream][index]
            guard subscriber.client.isReady else { continue }
            if !subscriber.client.takesFractions {
                sendWhole(record, tick.kind, to: subscriber)
            } else {
                TickByTickCodec.encode(record, requestId: subscriber.requestId, to: &subscriber.client.output.bytes)
                if truth != nil { subscriber.client.output.mark(rows: row) }
            }
            ticksQueued += 1
        }
    }

    /// A live tick for a session that knows whole sizes only.
    private func sendWhole(_ record: Tick, _ kind: TickKind, to subscriber: LiveSubscription) {
        var whole = record
        whole.body = record.body.withWholeSizes(kind)
        TickByTickCodec.encode(whole, requestId: subscriber.requestId, to: &subscriber.client.output.bytes)
        guard truth != nil else { return }
        var row: [UInt8] = []
        rowWriter.append(whole, to: &row)
        subscriber.client.output.mark(rows: row)
    }

    /// Sends a level-1 message and its truth row.
    private func send(_ update: Level1Subscription.Update, requestId: Int32, to client: ClientSession) {
        var more = MoreTexts()
        if let text = update.text { more.add(.text, text.utf8.dropFirst(Level1Body.textRange.count)) }
        client.send(.level1(requestId: requestId, update.form, update.tick, more))
        guard truth != nil else { return }
        var row: [UInt8] = []
        rowWriter.append(update.tick, text: update.text, to: &row)
        client.output.mark(rows: row)
    }

    /// TWS samples level 1: about every 250 ms, currencies far more often.
    private func sampleLevel1() {
        guard !level1.isEmpty else { return }
        let due = instruments.indices.filter { nowBootNanos >= nextLevel1Nanos[$0] }
        for index in level1.indices where due.contains(level1[index].instrument) { updateLevel1(at: index) }
        for instrument in due {
            nextLevel1Nanos[instrument] =
                nowBootNanos + (instruments[instrument].hasNoTrades ? 50_000_000 : 250_000_000)
        }
    }

    /// Sends what has changed for one level-1 subscription.
    func updateLevel1(at index: Int) {
        let (instrument, client) = (level1[index].instrument, level1[index].client)
        guard client.isReady, !faults.stops(instrument: instruments[instrument]),
            !faults.mutedLevel1.contains(instrument)
        else { return }
        let board = client.takesFractions ? boards[instrument] : boards[instrument].withWholeSizes
        let updates = level1[index].updates(board, conId: instruments[instrument].conId)
        for update in updates { send(update, requestId: level1[index].requestId, to: client) }
    }

    /// Truth rows of historical ticks: as they are recorded, with the healed flag.
    func markHistory(_ ticks: [MarketTick], instrument: Int, kind: TickKind, client: ClientSession) {
        guard truth != nil else { return }
        var rows: [UInt8] = []
        for tick in ticks {
            var record = tick.with(kind: kind).tick(conId: instruments[instrument].conId)
            record.flags.insert(.healed)
            rowWriter.append(record, to: &rows)
        }
        client.output.mark(rows: rows)
    }

    // MARK: Subscriptions

    /// Tells the market which streams share the held rate: those subscribed, those lost with a client a moment ago, and
    /// when there are none, the quotes and trades of everything.
    func shareRate() {
        var wanted = generated.map { instrument -> UInt8 in
            var bits: UInt8 = 0
            for slot in StreamSlot.kinds.indices {
                let stream = instrument * StreamSlot.kinds.count + slot
                if !live[stream].isEmpty || nowBootNanos < wantedUntilNanos[stream] { bits |= 1 << UInt8(slot) }
            }
            return bits
        }
        if wanted.allSatisfy({ $0 == 0 }) { wanted = wanted.map { _ in 0b0101 } }
        for (index, bits) in wanted.enumerated() { market.setWanted(bits, instrument: index) }
    }

    func subscribe(_ subscription: LiveSubscription, stream: Int) {
        faults.silencedStreams.remove(stream)
        // A real gateway's false prices end with the subscription.
        if faults.offsets[stream]?.always == false { faults.offsets[stream] = nil }
        live[stream].append(subscription)
        subscription.client.subscriptions[subscription.requestId] = .tickByTick(stream: stream)
        shareRate()
    }

    /// Ends one subscription. `lost` = the client did not ask for it: the market keeps its pace for a while.
    func unsubscribe(_ client: ClientSession, requestId: Int32, lost: Bool) {
        switch client.subscriptions.removeValue(forKey: requestId) {
        case .tickByTick(let stream):
            live[stream].removeAll { $0.client === client && $0.requestId == requestId }
            wantedUntilNanos[stream] = lost ? nowBootNanos + Gateway.wantedAfterLossNanos : 0
            shareRate()
        case .level1: level1.removeAll { $0.client === client && $0.requestId == requestId }
        case nil: break
        }
    }

    func unsubscribeAll(_ client: ClientSession) {
        for requestId in client.subscriptions.keys.sorted() { unsubscribe(client, requestId: requestId, lost: true) }
    }

    var subscriptionCount: Int { clients.reduce(0) { $0 + $1.subscriptions.count } }
    var tickByTickCount: Int { live.reduce(0) { $0 + $1.count } }

    // MARK: Clients

    func connected(_ client: ClientSession) { clients.append(client) }

    /// Ends the connections that are to end, and says so.
    func reap() {
        for client in clients {
            if client.isClosing, client.output.count == 0 { client.end("told to go") }
            guard let cause = client.endCause else { continue }
            unsubscribeAll(client)
            client.finish()
            log(
                .info, "client gone",
                ["connection": "\(client.number)", "client": "\(client.clientId)", "cause": cause])
        }
        clients.removeAll { $0.endCause != nil }
    }

    // MARK: Files and time

    /// How long the loop may wait for sockets before the market moves on.
    var turnMillis: Int32 {
        if replay.map({ $0.hasBegun && !$0.isOver && $0.speed == 0 }) ?? false, hasReplayRoom { return 0 }
        if tickByTickCount == 0, level1.isEmpty { return 50 }
        return (options.rate ?? 0) >= 1_000 ? 5 : 10
    }

    /// Throws 74 when a file could not be written: half a truth is none.
    func checkFiles() throws(ProgramError) {
        for file in [truth, events] {
            guard let file, let code = file.failure else { continue }
            throw ProgramError(.ioError, "\(file.path): write: \(errorText(code)): free space or choose another path")
        }
    }

    func closeFiles() {
        truth?.flush()
        events?.flush()
    }

    /// Writes to every socket what it takes.
    func flush() {
        guard !faults.isStalled else { return }
        for client in clients where client.output.count > 0 && client.endCause == nil {
            let outcome = client.output.flush(
                to: client.descriptor, pieceBytes: faults.pieceBytes, truth: truth)
            if case .failed(let code) = outcome { client.end("writing failed: \(errorText(code))") }
        }
    }
}
