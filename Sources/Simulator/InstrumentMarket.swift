internal import Ticks

/// One thing that happens in the market of an instrument: a change of the best quote, or a trade.
struct MarketEvent: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// A new best quote; with a new mid price too when `midMoved`.
        case quote(midMoved: Bool)
        /// A trade; `reported` ones show in `last` and `all_last`, others in `all_last` alone.
        case trade(reported: Bool)
    }
    var kind: Kind
    var mask: TickFlags
    var body: TickBody
    /// The mid price of a quote, units of 1e-9.
    var midPrice: Int64
}

/// The generator of one instrument: an endless sequence of events out of a seed.
///
/// The sequence knows no time: however fast it is drawn, and in however many pieces, its events are the same. Prices
/// walk on the grid of the instrument, drawn back to where they began, so that weeks later they are still plausible;
/// trades happen at the bid, at the ask or between them; sizes at the best prices are eaten by trades and refilled.
struct InstrumentMarket: Sendable {
    let instrument: Instrument
    private var random: RandomSource
    private var bidSteps: Int64
    private var askSteps: Int64
    private var bidLots: Int64
    private var askLots: Int64
    /// The day's traded range, which `bid_past_low` and `ask_past_high` compare with.
    private(set) var lowSteps: Int64
    private(set) var highSteps: Int64
    private var day: UInt32 = 0
    /// Which way the last price change went; prices like to go on for a while.
    private var direction: Int64 = 1
    private let reportedEnds: [(UInt64, UInt64)]
    private let unreportedEnds: [(UInt64, UInt64)]

    init(_ instrument: Instrument, seed: UInt64) {
        self.instrument = instrument
        random = RandomSource(seed: seed, stream: UInt64(UInt32(bitPattern: instrument.conId)))
        let home = instrument.manners.homeSteps
        bidSteps = home
        askSteps = home + 1
        bidLots = 1 + Int64(random.below(instrument.manners.quoteLots))
        askLots = 1 + Int64(random.below(instrument.manners.quoteLots))
        lowSteps = home - 20
        highSteps = home + 20
        reportedEnds = InstrumentMarket.ends(instrument.manners.exchanges, instrument.manners.conditions)
        unreportedEnds = InstrumentMarket.ends(
            instrument.manners.exchanges, instrument.manners.unreportedConditions)
    }

    var bid: (price: Int64, size: Int64) { (bidSteps * instrument.priceStep, bidLots * instrument.manners.lot) }
    var ask: (price: Int64, size: Int64) { (askSteps * instrument.priceStep, askLots * instrument.manners.lot) }

    /// The next event. `day` is the trading day, any number that changes when the day's range begins anew.
    mutating func next(day today: UInt32) -> MarketEvent {
        if today != day {
            day = today
            lowSteps = bidSteps - 20
            highSteps = askSteps + 20
        }
        return random.chance(perMille: instrument.manners.tradesPerMille) ? trade() : quote()
    }

    private mutating func trade() -> MarketEvent {
        let manners = instrument.manners
        let reported = !random.chance(perMille: manners.unreportedPerMille)
        let steps: Int64
        var atBid = false
        switch random.below(100) {
        case ..<46:
            steps = bidSteps
            atBid = true
        case ..<92: steps = askSteps
        default: steps = bidSteps + Int64(random.below(UInt32(askSteps - bidSteps + 1)))
        }
        var size = random.geometric(morePerMille: 550, limit: 30) * manners.lot
        if !reported, manners.oddStep > 0 {
            size = Int64(1 + random.below(99)) * manners.oddStep
            // A fraction of a share now and then, as brokers' own order books print them.
            if random.chance(perMille: 150) { size += Int64(1 + random.below(9_999)) * 100_000 }
        }
        eat(size / manners.lot, atBid: atBid)
        if reported {
            lowSteps = min(lowSteps, steps)
            highSteps = max(highSteps, steps)
        }
        let ends = reported ? reportedEnds : unreportedEnds
        let end = ends[Int(random.below(UInt32(ends.count)))]
        var mask: TickFlags = reported ? [] : .unreported
        if random.chance(perMille: 2) { mask.insert(.pastLimit) }
        let body = TickBody(
            UInt64(bitPattern: steps * instrument.priceStep), UInt64(bitPattern: size), end.0, end.1)
        return MarketEvent(kind: .trade(reported: reported), mask: mask, body: body, midPrice: 0)
    }

    /// A trade leaves less at the price it hit; what is used up is refilled by the next quotes.
    private mutating func eat(_ lots: Int64, atBid: Bool) {
        if atBid { bidLots = max(1, bidLots - lots) } else { askLots = max(1, askLots - lots) }
    }

    private mutating func quote() -> MarketEvent {
        let before = bidSteps + askSteps
        switch random.below(100) {
        case ..<30: bidLots = otherLots(than: bidLots)
        case ..<60: askLots = otherLots(than: askLots)
        case ..<82: walk()
        case ..<92: narrow()
        default: widen()
        }
        var mask: TickFlags = []
        if bidSteps < lowSteps { mask.insert(.bidPastLow) }
        if askSteps > highSteps { mask.insert(.askPastHigh) }
        return MarketEvent(
            kind: .quote(midMoved: bidSteps + askSteps != before), mask: mask,
            body: TickBody(bid.price, ask.price, bid.size, ask.size),
            midPrice: (bidSteps + askSteps) * instrument.priceStep / 2)
    }

    /// Both sides move one step, more often in the direction of the last move, and home the more the farther away.
    private mutating func walk() {
        let manners = instrument.manners
        let away = Double(bidSteps - manners.homeSteps) / Double(manners.homeSteps)
        // 5 % away from home the pull is as strong as it gets.
        let pull = max(-1, min(1, away * 20))
        let up = 0.5 + 0.12 * Double(direction) - 0.35 * pull
        direction = random.unit() < up ? 1 : -1
        bidSteps += direction
        askSteps += direction
        bidLots = 1 + Int64(random.below(manners.quoteLots))
        askLots = 1 + Int64(random.below(manners.quoteLots))
    }

    private mutating func narrow() {
        guard askSteps - bidSteps > 1 else { return bidLots = otherLots(than: bidLots) }
        if random.chance(perMille: 500) { bidSteps += 1 } else { askSteps -= 1 }
    }

    private mutating func widen() {
        guard askSteps - bidSteps < instrument.manners.widestSpread else { return narrow() }
        if random.chance(perMille: 500) { bidSteps -= 1 } else { askSteps += 1 }
    }

    private mutating func otherLots(than lots: Int64) -> Int64 {
        let drawn = 1 + Int64(random.below(instrument.manners.quoteLots))
        return drawn == lots ? lots % Int64(instrument.manners.quoteLots) + 1 : drawn
    }

    /// The last two words of a trade's body for each pair of exchange and conditions, made once.
    private static func ends(_ exchanges: [String], _ conditions: [String]) -> [(UInt64, UInt64)] {
        exchanges.flatMap { exchange in
            conditions.map { condition in
                let body = TradeBody(
                    price: 0, size: 0, exchange: Array(exchange.utf8), conditions: Array(condition.utf8)
                ).body
                return (body.word2, body.word3)
            }
        }
    }
}
