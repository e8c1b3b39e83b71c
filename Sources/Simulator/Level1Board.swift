internal import TWS
internal import Ticks

/// The level-1 picture of one instrument, kept up to date by its ticks.
struct Level1Board: Equatable {
    var bid = FixedPoint.absent
    var bidSize = FixedPoint.absent
    var ask = FixedPoint.absent
    var askSize = FixedPoint.absent
    var last = FixedPoint.absent
    var lastSize = FixedPoint.absent
    var open = FixedPoint.absent
    var high = FixedPoint.absent
    var low = FixedPoint.absent
    /// Size of all trades; begins anew before it leaves the range of its number.
    var volume: Int64 = 0
    var lastSeconds: UInt32 = 0
    /// Price times size of all trades, for the volume-weighted average.
    private var turnover = 0.0

    mutating func update(_ tick: MarketTick) {
        let body = tick.body
        switch tick.kind {
        case .bidAsk:
            (bid, ask) = (Int64(bitPattern: body.word0), Int64(bitPattern: body.word1))
            (bidSize, askSize) = (Int64(bitPattern: body.word2), Int64(bitPattern: body.word3))
        case .last:
            (last, lastSize) = (Int64(bitPattern: body.word0), Int64(bitPattern: body.word1))
            lastSeconds = tick.seconds
            if open == FixedPoint.absent { (open, high, low) = (last, last, last) }
            high = max(high, last)
            low = min(low, last)
            if volume > Int64.max / 2 || lastSize > Int64.max / 2 { (volume, turnover) = (0, 0) }
            volume += min(lastSize, Int64.max / 2)
            turnover += FixedPoint.double(last) * FixedPoint.double(lastSize)
        default: break
        }
    }

    /// The board as sessions below `ServerVersion.fractionalSizes` can say it.
    var withWholeSizes: Level1Board {
        var copy = self
        copy.bidSize = bidSize.wholeSize
        copy.askSize = askSize.wholeSize
        copy.lastSize = lastSize.wholeSize
        copy.volume = volume.wholeSize
        return copy
    }

    /// The RT_VOLUME text: `price;size;milliseconds;total volume;vwap;single market maker`.
    var realTimeVolume: String {
        let average = volume > 0 ? turnover / FixedPoint.double(volume) : 0
        let rounded = (average * 1e6).rounded() / 1e6
        return [
            FixedPoint.text(last), FixedPoint.text(lastSize), "\(UInt64(lastSeconds) * 1_000)", FixedPoint.text(volume),
            FixedPoint.text(FixedPoint.from(rounded).units), "true",
        ].joined(separator: ";")
    }
}

/// One reqMktData subscription: compares the board with what the client has, as TWS samples it.
struct Level1Subscription {
    let client: ClientSession
    let requestId: Int32
    let instrument: Int
    let wantsRealTimeVolume: Bool
    private var known = Level1Board()

    init(client: ClientSession, requestId: Int32, instrument: Int, genericTicks: String) {
        self.client = client
        self.requestId = requestId
        self.instrument = instrument
        wantsRealTimeVolume = genericTicks.split(separator: ",").contains { $0 == "233" || $0 == "375" }
    }

    /// One message to send: a record of kind `level1` and the whole text of a string.
    struct Update {
        var form: Level1Codec.Form
        var tick: Tick
        var text: String?
    }

    /// What has changed since the last call.
    mutating func updates(_ board: Level1Board, conId: Int32) -> [Update] {
        guard board != known else { return [] }
        var updates: [Update] = []
        func price(_ field: UInt16, _ value: Int64, size: Int64) {
            let body = Level1Body(field: field, attributes: 1, value: FixedPoint.double(value), size: size)
            updates.append(Update(form: .price, tick: record(body, conId)))
        }
        func size(_ field: UInt16, _ value: Int64) {
            updates.append(Update(form: .size, tick: record(Level1Body(field: field, size: value), conId)))
        }
        // Sizes come in their own message too, as from TWS.
        if board.bid != known.bid { price(1, board.bid, size: board.bidSize) }
        if board.bidSize != known.bidSize { size(0, board.bidSize) }
        if board.ask != known.ask { price(2, board.ask, size: board.askSize) }
        if board.askSize != known.askSize { size(3, board.askSize) }
        if board.last != FixedPoint.absent, board.volume != known.volume {
            if board.last != known.last { price(4, board.last, size: board.lastSize) }
            size(5, board.lastSize)
            updates.append(string(45, "\(board.lastSeconds)", conId))
            size(8, board.volume)
            if wantsRealTimeVolume { updates.append(string(48, board.realTimeVolume, conId)) }
        }
        if board.high != known.high { price(6, board.high, size: 0) }
        if board.low != known.low { price(7, board.low, size: 0) }
        if board.open != known.open { price(14, board.open, size: 0) }
        known = board
        return updates
    }

    private func record(_ body: Level1Body, _ conId: Int32) -> Tick {
        Tick(conId: conId, kind: .level1, flags: .simulated, body: body.body)
    }

    private func string(_ field: UInt16, _ text: String, _ conId: Int32) -> Update {
        let body = Level1Body(field: field, text: Array(text.utf8.prefix(Level1Body.textRange.count)))
        return Update(form: .string, tick: record(body, conId), text: text)
    }
}
