internal import Ticks

/// Whether a stream's prices can be true, and what to do about those that can't. Pure: ticks and their times go in.
///
/// A real gateway sent prices that were off by a constant after a farm had come back, until the stream was subscribed
/// anew (source: TWS protocol, what is known of bad data). Such ticks are recorded like all others; what is done about
/// them is decided here:
///
/// - A price is **off the grid** when it is no multiple of the instrument's smallest step (`grid`; of a mid price: half
///   a step). It is **far off** when it differs from the last good price of its side by more than half of that price
///   and by more than 1,000 steps. A last good price of over 10 minutes ago is only held against a price that differs
///   by more than 99 times as much as it: a market may open anywhere, shares are split. No price, zero (a halt, nobody
///   there), a quote of size zero and the first price of all are good; so are negative prices near the last one.
/// - **Marks**: the 1st, 2nd, 4th, 8th … suspicious tick of a series is followed by a marker, so that a bad stream
///   grows by a few records, not by half. A series ends when none came for a minute.
/// - **Subscribing anew**: after 8 suspicious ticks in a row, or so many that they outweigh four good ones each; then
///   not again for 1 minute, 2, 4 … 60 minutes, until there was peace for two hours. What the new subscription brings
///   first is believed, as far as distance goes: two subscriptions outvote the past. Prices off the grid in two
///   subscriptions in turn put an end to the grid instead: it is not this market's.
///
/// For a tick with good prices this costs a few integer operations and no allocation. Owner: the session thread.
struct PriceCheck {
    enum Suspicion: UInt8 {
        case offGrid
        case farOff

        /// The marker's text.
        var text: String {
            switch self {
            case .offGrid: "off grid"
            case .farOff: "far off"
            }
        }
    }

    /// What has to be done about one suspicious tick, beside counting it.
    struct Alarm: OptionSet {
        let rawValue: UInt8
        /// A marker follows the tick.
        static let mark = Alarm(rawValue: 1)
        /// It is the first of its series.
        static let begins = Alarm(rawValue: 2)
        static let resubscribe = Alarm(rawValue: 4)
        /// The grid has been given up.
        static let gridGivenUp = Alarm(rawValue: 8)
    }

    static let staleNanos: Int64 = 600_000_000_000
    static let calmNanos: Int64 = 60_000_000_000
    static let firstDelayNanos: Int64 = 60_000_000_000
    static let greatestDelayNanos: Int64 = 3_600_000_000_000
    static let peaceNanos: Int64 = 7_200_000_000_000
    static let stepsOfReach: Int64 = 1_000
    /// Least distance of a price that is far off when the step is not known: ten whole units.
    static let reachWithoutGrid: UInt64 = 10_000_000_000
    private static let strike: Int32 = 4
    private static let strikesOut: Int32 = 32

    private(set) var grid = PriceGrid.any
    /// Prices that differ by less are never far off.
    private var reach = PriceCheck.reachWithoutGrid
    /// Trades, quotes' bid; `FixedPoint.absent`: none yet.
    private var first = FixedPoint.absent
    /// Quotes' ask.
    private var second = FixedPoint.absent
    /// Level 1's last price.
    private var third = FixedPoint.absent
    private var lastGoodNanos: Int64 = 0
    /// Grows by 4 with a suspicious tick, falls by 1 with a good one.
    private var strikes: Int32 = 0

    /// Suspicious ticks since the start.
    private(set) var total: UInt64 = 0
    /// Suspicious ticks of this series.
    private(set) var series: UInt64 = 0
    private var nextMark: UInt64 = 1
    private var lastSuspiciousNanos: Int64 = 0
    private var delayNanos = PriceCheck.firstDelayNanos
    private var resubscribeNotBeforeNanos: Int64 = 0
    private var resubscribedNanos: Int64?
    private var resubscribedForGrid = false
    /// The step that was given up; a definition that repeats it changes nothing.
    private var refusedStep: Int64 = 0

    /// The instrument's smallest price step for this stream, units of 1e-9; 0 or absent: not known.
    mutating func setStep(_ step: Int64) {
        guard step != refusedStep else { return }
        grid = PriceGrid(step: step)
        refusedStep = 0
        let (steps, overflow) = grid.step.multipliedReportingOverflow(by: PriceCheck.stepsOfReach)
        reach = grid.step == 0 ? PriceCheck.reachWithoutGrid : overflow ? .max : UInt64(steps)
    }

    /// The clock was set back: what waits for a time must not wait for one that is far away.
    mutating func forgetTimes() {
        lastGoodNanos = 0
        lastSuspiciousNanos = 0
        delayNanos = PriceCheck.firstDelayNanos
        resubscribeNotBeforeNanos = 0
        resubscribedNanos = nil
    }

    // MARK: - Judging

    /// Judges one tick of the stream and remembers its prices if they are good.
    @inline(__always) mutating func take(_ tick: borrowing Tick, nowNanos now: Int64) -> Suspicion? {
        let word0 = Int64(bitPattern: tick.body.word0)
        if tick.kindByte == TickKind.bidAsk.rawValue {
            let word1 = Int64(bitPattern: tick.body.word1)
            if isGood(word0, first), isGood(word1, second) {
                first = word0
                second = word1
                noteGood(now)
                return nil
            }
        } else if tick.kindByte != TickKind.level1.rawValue, isGood(word0, first) {
            first = word0
            noteGood(now)
            return nil
        }
        return takeSlowly(tick, nowNanos: now)
    }

    @inline(__always) private mutating func noteGood(_ now: Int64) {
        lastGoodNanos = now
        if strikes != 0 { strikes &-= 1 }
    }

    @inline(__always) private func isGood(_ price: Int64, _ reference: Int64) -> Bool {
        grid.holds(price) && distance(price, reference) <= max(reference.magnitude &>> 1, reach)
    }

    /// The difference of any two numbers, which may be beyond what an Int64 holds.
    @inline(__always) private func distance(_ a: Int64, _ b: Int64) -> UInt64 {
        UInt64(bitPattern: max(a, b) &- min(a, b))
    }

    @inline(never) private mutating func takeSlowly(_ tick: borrowing Tick, nowNanos now: Int64) -> Suspicion? {
        var suspicion: Suspicion?
        switch tick.kind {
        case .bidAsk:
            let quote = QuoteBody(tick.body)
            if quote.bidSize != 0 { suspicion = judge(quote.bidPrice, .first, now) }
            if quote.askSize != 0 { suspicion = judge(quote.askPrice, .second, now) ?? suspicion }
        case .last, .allLast:
            // What is printed without being reported (an average price, an odd lot) need not be on the grid.
            let isFree = tick.flags.contains(.unreported)
            suspicion = judge(Int64(bitPattern: tick.body.word0), .first, now, isFree: isFree)
        case .midPoint: suspicion = judge(Int64(bitPattern: tick.body.word0), .first, now)
        case .level1: suspicion = judge(Level1Body(tick.body), now)
        case .depth, .rtVolume, .more, .marker, nil: return nil
        }
        if suspicion == nil { noteGood(now) }
        return suspicion
    }

    private enum Side {
        case first, second, third
    }

    /// Bid, ask and last price, also the delayed ones; all other fields are no prices, or prices of
    /// another kind. -1 is TWS's word for none.
    private mutating func judge(_ level1: Level1Body, _ now: Int64) -> Suspicion? {
        guard level1.value.isFinite, level1.value != -1 else { return nil }
        let price = FixedPoint.from(level1.value).units
        return switch level1.field {
        case 1, 66: judge(price, .first, now)
        case 2, 67: judge(price, .second, now)
        case 4, 68: judge(price, .third, now, isFree: true)
        default: nil
        }
    }

    private mutating func judge(_ price: Int64, _ side: Side, _ now: Int64, isFree: Bool = false) -> Suspicion? {
        guard price != 0, price != FixedPoint.absent else { return nil }
        guard isFree || grid.holds(price) else { return .offGrid }
        let reference =
            switch side {
            case .first: first
            case .second: second
            case .third: third
            }
        if reference != FixedPoint.absent {
            let isStale = now - lastGoodNanos > PriceCheck.staleNanos
            let (wide, overflow) = reference.magnitude.multipliedReportingOverflow(by: 99)
            let allowed = isStale ? (overflow ? UInt64.max : wide) : reference.magnitude / 2
            guard distance(price, reference) <= max(allowed, reach) else { return .farOff }
        }
        switch side {
        case .first: first = price
        case .second: second = price
        case .third: third = price
        }
        return nil
    }

    // MARK: - Consequences

    /// Counts a suspicious tick and says what follows from it. Call it once for each that `take` found.
    mutating func note(_ suspicion: Suspicion, nowNanos now: Int64) -> Alarm {
        var alarm: Alarm = []
        if series == 0 || now - lastSuspiciousNanos > PriceCheck.calmNanos {
            series = 0
            nextMark = 1
            alarm.insert(.begins)
        }
        total += 1
        series += 1
        lastSuspiciousNanos = now
        if series == nextMark {
            nextMark *= 2
            alarm.insert(.mark)
        }
        strikes = min(strikes + PriceCheck.strike, PriceCheck.strikesOut)
        if strikes == PriceCheck.strikesOut, now >= resubscribeNotBeforeNanos {
            alarm.insert(strikeOut(suspicion, now))
        }
        return alarm
    }

    private mutating func strikeOut(_ suspicion: Suspicion, _ now: Int64) -> Alarm {
        strikes = 0
        if let before = resubscribedNanos, now - before > PriceCheck.peaceNanos {
            delayNanos = PriceCheck.firstDelayNanos
            resubscribedForGrid = false
        }
        if suspicion == .offGrid, resubscribedForGrid {
            refusedStep = grid.step
            grid = .any
            resubscribedForGrid = false
            return .gridGivenUp
        }
        resubscribedForGrid = suspicion == .offGrid
        resubscribedNanos = now
        resubscribeNotBeforeNanos = now + delayNanos
        delayNanos = min(delayNanos * 2, PriceCheck.greatestDelayNanos)
        return .resubscribe
    }

    /// The next prices come from a new subscription: they are believed, as far as distance goes.
    mutating func beginAnew() {
        (first, second, third) = (FixedPoint.absent, FixedPoint.absent, FixedPoint.absent)
    }
}
