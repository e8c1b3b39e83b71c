internal import TWS

/// Subscriptions that may be dead without a word, and when each is given up and asked for anew unless it brings a tick.
///
/// A stream gets here by what interrupts it (a farm or the link went away and came back, or did not) and by a code that
/// nobody knows. Its first tick ends the suspicion; a stream that ticks is left alone. Asked for anew, a
/// silent stream stays under watch: what answers now may have been deaf a moment ago. Pure; times are of one
/// monotonic clock. Owner: the session thread.
struct StreamWatch {
    private static let second: Int64 = 1_000_000_000
    /// How long a stream may stay silent after the gateway said that data flow again.
    static let graceNanos = 5 * second
    /// From the suspicion to the first new request, when nothing more is heard.
    static let firstNanos = 10 * second
    /// A slow stream has this long that had data before a code of unknown meaning
    /// came, or of whose contract others tick on.
    static let patientNanos = 60 * second
    /// Between the first new request and the second, and so on; the last one holds for all that follow.
    private static let stepsNanos = [20, 30, 60, 120, 240, 300].map { $0 * second }

    /// How a stream stands when its time has come.
    struct Standing: Equatable {
        /// Ticks of the stream so far.
        var ticks: UInt64
        /// When it was asked for; nil: it is not (yet).
        var requestedAtNanos: Int64?
    }

    struct Suspicion: Equatable {
        /// Ticks when it began, stragglers included.
        fileprivate(set) var ticks: UInt64
        /// Until then ticks may be stragglers; nil: no more.
        fileprivate var settlesAtNanos: Int64?
        /// What the gap is called when the stream is given up.
        let cause: String
        let code: Int32
        fileprivate let beganNanos: Int64
        fileprivate(set) var dueNanos: Int64
        /// No word brings it forward.
        fileprivate var isPatient = false
        /// New requests so far.
        fileprivate(set) var asks = 0
        /// Steps of the schedule so far; what a word of the gateway brought forward is none.
        fileprivate var steps = 0
        fileprivate var isHastened = false

        fileprivate var nextNanos: Int64 { min(settlesAtNanos ?? dueNanos, dueNanos) }
    }

    /// By the stream's place among the subscriptions.
    private(set) var suspicions: [Int: Suspicion] = [:]

    /// When `takeDue` has something to do; nil: nothing is suspected.
    private(set) var nextNanos: Int64?

    /// From now on the stream has to bring a tick. One that is silent already may
    /// become due earlier by this, never later.
    ///
    /// - Parameter hasStragglers: ticks from before may still be on their way.
    mutating func suspect(
        _ entry: Int, ticks: UInt64, cause: String, code: Int32 = 0, hasStragglers: Bool = true, withinNanos: Int64,
        nowNanos now: Int64
    ) {
        let due = now + withinNanos
        if let known = suspicions[entry], known.ticks == ticks {
            suspicions[entry]?.dueNanos = min(known.dueNanos, due)
            suspicions[entry]?.isPatient = false
        } else {
            suspicions[entry] = Suspicion(
                ticks: ticks, settlesAtNanos: hasStragglers ? now + Straggler.nanos : nil, cause: cause,
                code: code, beganNanos: now, dueNanos: due)
        }
        nextNanos = min(nextNanos ?? .max, suspicions[entry]?.nextNanos ?? due)
    }

    /// The gateway says that some farm is there again, or about to be: all that is silent shows itself soon, or is
    /// asked for anew. Names do not count: the farm that comes back is not always called as the one that went.
    mutating func hasten(nowNanos now: Int64) {
        let due = now + StreamWatch.graceNanos
        for (entry, suspicion) in suspicions where suspicion.dueNanos > due && !suspicion.isPatient {
            suspicions[entry]?.dueNanos = due
            suspicions[entry]?.isHastened = true
        }
        if !suspicions.isEmpty { nextNanos = min(nextNanos ?? .max, due) }
    }

    /// Silence is usual for the stream, and nothing says that it is down: it gets its time, but not for ever.
    mutating func bePatient(_ entry: Int) {
        guard let suspicion = suspicions[entry], suspicion.asks == 0 else { return }
        suspicions[entry]?.dueNanos = suspicion.beganNanos + StreamWatch.patientNanos
        suspicions[entry]?.isPatient = true
    }

    mutating func release(_ entry: Int) { suspicions[entry] = nil }

    mutating func removeAll() {
        suspicions.removeAll()
        nextNanos = nil
    }

    /// The streams to ask for anew now, in their order. Those that ticked are watched no more.
    mutating func takeDue(nowNanos now: Int64, standing: (Int) -> Standing) -> [(entry: Int, why: Suspicion)] {
        guard let nextNanos, nextNanos <= now else { return [] }
        var due: [(entry: Int, why: Suspicion)] = []
        for (entry, suspicion) in suspicions where suspicion.nextNanos <= now {
            let stands = standing(entry)
            if let settles = suspicion.settlesAtNanos, settles <= now {
                suspicions[entry]?.settlesAtNanos = nil
                suspicions[entry]?.ticks = stands.ticks
            } else if stands.ticks != suspicion.ticks {
                suspicions[entry] = nil
            } else if let asked = stands.requestedAtNanos, now - asked >= StreamWatch.graceNanos {
                due.append((entry, suspicion))
                take(entry, now)
            } else {
                // Pacing holds the request back, or it was sent just now: it gets its time.
                suspicions[entry]?.dueNanos = (stands.requestedAtNanos ?? now) + StreamWatch.graceNanos
            }
        }
        self.nextNanos = suspicions.values.map(\.nextNanos).min()
        return due.sorted { $0.entry < $1.entry }
    }

    /// Streams that have ticked are watched no more.
    mutating func releaseTicking(_ ticks: (Int) -> UInt64) {
        for (entry, suspicion) in suspicions where suspicion.settlesAtNanos == nil && ticks(entry) != suspicion.ticks {
            suspicions[entry] = nil
        }
    }

    private mutating func take(_ entry: Int, _ now: Int64) {
        guard var suspicion = suspicions[entry] else { return }
        let step = StreamWatch.stepsNanos[min(suspicion.steps, StreamWatch.stepsNanos.count - 1)]
        suspicion.asks += 1
        suspicion.steps += suspicion.isHastened ? 0 : 1
        suspicion.isHastened = false
        suspicion.dueNanos = now + step
        suspicions[entry] = suspicion
    }
}
