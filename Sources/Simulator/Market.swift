internal import Glibc
internal import Ticks

/// All generated instruments and the pace at which their events happen.
///
/// Without a rate each instrument goes at its natural pace: its own events a second, times a factor that the seed gives
/// to each of its minutes (most near 1, some busy, some quiet), in clumps. With a rate the wanted streams together get
/// that many ticks a second, held exactly; the minutes' factors then say how the rate is shared. Instruments that
/// nobody wants go on at a trickle. Pure: time is passed in.
struct Market: Sendable {
    /// What `advance` may make up for at most, so that a process that was stopped does not flood its clients.
    static let longestStepNanos: Int64 = 1_000_000_000
    /// Events a second of an instrument that nobody wants while others share a held rate.
    static let trickle = 5.0

    private(set) var instruments: [InstrumentMarket]
    private let seed: UInt64
    private let ratePerSecond: Double?
    /// Unreported trades come on `Last` too.
    private let lastHasAll: Bool
    private var pace: [Pace]
    private var pacer: RandomSource
    /// Tick times never fall, also when the host's clock is set back.
    private(set) var second: UInt32 = 0

    private struct Pace: Sendable {
        /// Which kinds count against the held rate: bits by `StreamSlot`.
        var wanted: UInt8 = 0
        /// Ticks (held rate) or events (natural pace) that are due and have not happened.
        var due = 0.0
        /// What is due happens together when this time is reached: markets move in clumps.
        var nextClumpNanos: Int64 = 0
    }

    init(_ instruments: [Instrument], seed: UInt64, ratePerSecond: Int?, lastHasAll: Bool = false) {
        self.lastHasAll = lastHasAll
        self.seed = seed
        self.ratePerSecond = ratePerSecond.map(Double.init)
        self.instruments = instruments.map { InstrumentMarket($0, seed: seed) }
        pace = Array(repeating: Pace(), count: instruments.count)
        pacer = RandomSource(seed: seed, stream: 0)
    }

    /// Says which streams of an instrument share the held rate: bits by `StreamSlot`.
    mutating func setWanted(_ kinds: UInt8, instrument: Int) { pace[instrument].wanted = kinds }

    /// Lets `elapsedNanos` pass and the market's events of that time happen at `nowNanos` (Unix time), through `emit`.
    mutating func advance(
        nowNanos: Int64, elapsedNanos: Int64, emit: (_ instrument: Int, _ tick: MarketTick) -> Void
    ) {
        second = max(second, UInt32(clamping: nowNanos / 1_000_000_000))
        let elapsed = Double(min(max(0, elapsedNanos), Market.longestStepNanos)) / 1e9
        let factors = instruments.indices.map { factor(of: $0) }
        let total = instruments.indices.reduce(0.0) { $0 + (pace[$1].wanted != 0 ? factors[$1] : 0) }
        for index in instruments.indices {
            let held = ratePerSecond != nil && pace[index].wanted != 0
            if factors[index] == 0 {
                pace[index].due = 0
            } else if let ratePerSecond, held {
                pace[index].due += ratePerSecond * elapsed * factors[index] / total
            } else {
                let natural = instruments[index].instrument.manners.eventsPerSecond * factors[index]
                pace[index].due += (ratePerSecond == nil ? natural : min(natural, Market.trickle)) * elapsed
            }
            guard nowNanos >= pace[index].nextClumpNanos || pace[index].nextClumpNanos > nowNanos + 2_000_000_000
            else { continue }
            let mean = held ? 20_000_000.0 : 200_000_000.0
            pace[index].nextClumpNanos = nowNanos + Int64(min(-log1p(-pacer.unit()) * mean, mean * 5))
            happen(index, counting: held ? pace[index].wanted : 0, emit)
        }
    }

    /// Draws events until what was due is used up. `counting` = which kinds' ticks count; 0 = each event is one.
    private mutating func happen(_ index: Int, counting: UInt8, _ emit: (Int, MarketTick) -> Void) {
        // The bound ends the loop where the wanted kinds hardly ever come.
        var eventsLeft = Int(pace[index].due * 64) + 64
        while pace[index].due >= 1, eventsLeft > 0 {
            eventsLeft -= 1
            let event = instruments[index].next(day: second / 86_400)
            var made: UInt8 = 0
            switch event.kind {
            case .trade(let reported):
                let tick = MarketTick(kind: .allLast, seconds: second, mask: event.mask, body: event.body)
                if reported || lastHasAll {
                    emit(index, tick.with(kind: .last))
                    made |= 1
                }
                emit(index, tick)
                made |= 2
            case .quote(let midMoved):
                emit(index, MarketTick(kind: .bidAsk, seconds: second, mask: event.mask, body: event.body))
                made |= 4
                if midMoved {
                    emit(index, MarketTick(kind: .midPoint, seconds: second, body: TickBody(event.midPrice, 0)))
                    made |= 8
                }
            }
            pace[index].due -= counting == 0 ? 1 : Double((made & counting).nonzeroBitCount)
        }
    }

    /// How busy an instrument is in the current minute: 0 when closed, 0.1 when quiet, 3 when busy.
    private func factor(of index: Int) -> Double {
        let instrument = instruments[index].instrument
        guard instrument.calendar.isOpen(atUTC: Int64(second), zone: instrument.zone) else { return 0 }
        let roll = RandomSource.hash(seed, UInt64(UInt32(bitPattern: instrument.conId)), UInt64(second / 60)) % 1_000
        switch roll {
        case ..<80: return 0.1
        case ..<200: return 3
        default: return 0.5 + Double(roll - 200) / 800
        }
    }
}
