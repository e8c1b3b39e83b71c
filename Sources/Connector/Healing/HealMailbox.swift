internal import ServiceKit
internal import Synchronization
internal import TWS
internal import TickStore
internal import Ticks

/// What the heal thread asks the session thread to do.
enum HealOrder: Sendable {
    /// A page of history; `aggTrades`: crypto's trades.
    case history(serial: UInt64, stream: StreamID, HistoryQuestion, aggTrades: Bool)
    /// The request is not waited for any more: what still comes is late.
    case giveUp(serial: UInt64)
    /// Records a run, all of it in one go.
    case stage(serial: UInt64, HealedRun)
    /// Where every stream's numbers are; answered behind all orders given before.
    case positions(serial: UInt64)
    /// Takes over a recorded stream that has no place in this run, so that its gaps can be healed; `isOver`: its last
    /// record says already that nobody wants it.
    case adopt(StreamID, isOver: Bool)
    /// The gateway refuses a contract's history: said once.
    case sayRefused(StreamID, ErrorMessage)
}

/// What the session thread answers.
enum HealReply: Sendable {
    /// One message of an answer.
    case ticks(serial: UInt64, [HistoricalTick], done: Bool)
    case refused(serial: UInt64, ErrorMessage)
    /// The answer will not reach the present: the contract's last seconds are not in history for this account (2188).
    case behind(serial: UInt64)
    /// No answer will come: no session, or none came in time.
    case unanswered(serial: UInt64)
    /// The key of the run's last record; nil: the stream is not this connector's any more.
    case staged(serial: UInt64, TickKey?)
    case positions(serial: UInt64, HealPositions)
}

/// Where the streams are, as the session thread sees it.
struct HealPositions: Sendable {
    struct Stream: Sendable {
        /// Of the newest record; seq 0: none in this epoch yet.
        var key: TickKey
        /// Unix second of the newest live tick since the start; nil: none, or it has no time.
        var newestSecond: Int64?
        /// Live ticks since the start.
        var ticks: UInt64 = 0
        /// The subscription that has brought no live tick yet, while a gap is open, and since when (boot clock).
        var silence: (request: Int32, sinceNanos: Int64)?
        /// Live ticks a second, on average since the start.
        var ticksPerSecond: Double
        var breaks = InFlight.Breaks(count: 0)
        /// True where the definition says CRYPTO.
        var isCrypto: Bool
        /// A history farm is down that may be the contract's.
        var isHeld = false
        /// Its definition is to tell on which exchange history is asked for.
        var awaitsExchange = false

        /// What is asked for it now has to wait.
        var isWaiting: Bool { isHeld || awaitsExchange }
    }

    var streams: [StreamID: Stream] = [:]
    /// The gateway's time less the boot clock's; nil: it has not told its time.
    var gatewayMinusBootNanos: Int64?
    /// A session with the gateway is ready for requests.
    var isReady = false
    /// No contract's history may be asked for: the gateway's history farms are down.
    var isHeld = false
}

/// The history in front of a subscription whose first live tick closed a gap.
struct SubscriptionHistory: Sendable {
    var stream: StreamID
    /// The key of that first live tick: the gap's `after`.
    var after: TickKey
    var ticks: [HistoricalTick]
}

/// The bounded queues between heal thread and session thread, with a bell each; also keeps what must outlive a restart
/// of the heal thread.
final class HealMailbox: Sendable {
    /// Messages of answers that wait; the heal thread has one request open at a time, so that more are never useful.
    static let replyLimit = 1_024
    /// Streams whose subscription history is kept until the healer looks at it.
    static let frontLimit = 256

    private struct State {
        var orders: [HealOrder] = []
        var replies: [HealReply] = []
        var fronts: [StreamID: SubscriptionHistory] = [:]
        /// Streams whose gap was closed since the last look.
        var closed: Set<StreamID> = []
        var words: [StreamID: InFlight.Word] = [:]
        var lastSerial: UInt64 = 0
    }

    private let state = Mutex(State())
    /// Of the gateway's window, which does not end with a thread.
    let pacer: Mutex<HistoryPacer>
    let forSession: WakeUp
    let forHealer: WakeUp

    init(_ settings: HealSettings) throws(ProgramError) {
        forSession = try WakeUp()
        forHealer = try WakeUp()
        pacer = Mutex(
            HistoryPacer(
                requestsPer10Minutes: settings.requestsPer10Minutes, identicalNanos: settings.identicalNanos,
                perContractIn2Seconds: settings.perContractIn2Seconds))
    }

    // MARK: Heal thread

    func nextSerial() -> UInt64 {
        state.withLock { state in
            state.lastSerial += 1
            return state.lastSerial
        }
    }

    /// The heal thread waits for each answer before it orders again: a few orders at most are ever here.
    func post(_ order: HealOrder) {
        state.withLock { $0.orders.append(order) }
        forSession.ring()
    }

    /// Everything answered since the last call.
    func takeReplies() -> [HealReply] {
        forHealer.clear()
        return state.withLock { state in
            defer { state.replies.removeAll() }
            return state.replies
        }
    }

    /// What is known of ticks that were on their way when a stream broke off.
    func say(_ words: [StreamID: InFlight.Word]) { state.withLock { $0.words = words } }

    func takeClosed() -> Set<StreamID> {
        state.withLock { state in
            defer { state.closed.removeAll() }
            return state.closed
        }
    }

    /// The history in front of the subscription that closed a gap; nil when there is none for it.
    func takeFront(_ stream: StreamID, after: TickKey) -> SubscriptionHistory? {
        state.withLock { state in
            guard let front = state.fronts[stream], front.after <= after else { return nil }
            state.fronts[stream] = nil
            return front.after == after ? front : nil
        }
    }

    // MARK: Session thread

    func takeOrders() -> [HealOrder] {
        forSession.clear()
        return state.withLock { state in
            defer { state.orders.removeAll() }
            return state.orders
        }
    }

    var words: [StreamID: InFlight.Word] { state.withLock { $0.words } }

    /// Drops what does not fit: the heal thread then misses an answer, waits in vain and asks again. An answer of which
    /// a part does not fit is none, so that its end does not make a whole of what is left.
    func reply(_ reply: HealReply) {
        state.withLock { state in
            if state.replies.count < HealMailbox.replyLimit {
                state.replies.append(reply)
            } else if case .ticks(let serial, _, _) = reply {
                state.replies[state.replies.count - 1] = .unanswered(serial: serial)
            }
        }
        forHealer.ring()
    }

    /// Of a kind that the gateway keeps no history of nothing is to be done: the healer would ask for its gaps for
    /// ever.
    func noteClosed(_ stream: StreamID, _ front: SubscriptionHistory?) {
        guard Gap.hasHistory(stream.kind) else { return }
        state.withLock { state in
            state.closed.insert(stream)
            if state.fronts.count < HealMailbox.frontLimit || state.fronts[stream] != nil {
                state.fronts[stream] = front
            }
        }
        forHealer.ring()
    }
}
