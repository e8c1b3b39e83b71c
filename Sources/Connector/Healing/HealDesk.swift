internal import TWS
internal import Ticks

/// The session thread's side of healing: history requests on their way, and the history in front of subscriptions.
///
/// Pure but for what its owner, `GatewaySession`, does with it.
struct HealDesk {
    /// How long a history request may stay unanswered.
    static let answerNanos: Int64 = 60_000_000_000
    /// Past ticks asked for in front of a subscription, the most there are.
    static let frontTicks: Int32 = 1_000

    struct Order {
        let serial: UInt64
        let stream: StreamID
        let question: HistoryQuestion
        let aggTrades: Bool
    }

    struct Open {
        let serial: UInt64
        let stream: StreamID
        /// What the answer has to be of.
        let kind: HistoricalTicks.Kind
        var deadlineNanos: Int64
        /// The gateway said no, after which data were seen to come all the same: what counts at the deadline.
        var refusal: ErrorMessage?
        var sentAtNanos: Int64 = .min
    }

    /// What a subscription brought in front of its live ticks.
    struct Front {
        let request: Int32
        /// The gap that was open then.
        let gap: TickKey
        /// The stream's interruptions so far: one more, and what is between history and live ticks is not known.
        let interruptions: UInt32
        var ticks: [HistoricalTick] = []
        var isDone = false
    }

    /// Requests that wait for the message budget; the heal thread has one at a time.
    var waiting: [Order] = []
    /// By request id.
    var open: [Int32: Open] = [:]
    /// By slot.
    var fronts: [Int: Front] = [:]
    /// Slots whose next subscription is the first of a session: its history goes on in its live ticks.
    var fresh: Set<Int> = []
    /// Contracts of which it was said that data came although the gateway had said no.
    var noted: Set<ContractID> = []
    /// Ticks of history that came for requests that are over.
    var lateTicks: UInt64 = 0

    /// The serials of everything that will not be answered any more.
    mutating func takeAll() -> [UInt64] {
        let serials = waiting.map(\.serial) + open.values.map(\.serial)
        waiting.removeAll()
        open.removeAll()
        fronts.removeAll()
        return serials.sorted()
    }

    /// Takes what one message brings in front of a subscription.
    mutating func takeFront(_ message: HistoricalTicks, slot: Int, gap: TickKey, interruptions: UInt32) {
        if fronts[slot]?.request != message.requestId {
            fronts[slot] = Front(request: message.requestId, gap: gap, interruptions: interruptions)
        }
        guard var front = fronts[slot], front.ticks.count + message.ticks.count <= HistoryPager.greatestAnswer else {
            fronts[slot] = nil
            return
        }
        front.ticks += message.ticks
        front.isDone = message.done
        fronts[slot] = front
    }

    /// The gateway says no to a request: true when data may follow all the same, so that only silence is a refusal.
    mutating func waitsAfter(_ error: ErrorMessage, nowNanos now: Int64) -> Bool {
        let wait = HistoryRefusal(error).dataMayFollowNanos
        guard wait > 0, var request = open[error.requestId] else { return false }
        request.refusal = error
        request.deadlineNanos = min(request.deadlineNanos, now + wait)
        open[error.requestId] = request
        return true
    }

    /// What is said of requests that have had no answer for too long.
    mutating func takeExpired(nowNanos now: Int64) -> [HealReply] {
        let late = open.filter { $0.value.deadlineNanos <= now }
        for id in late.keys { open[id] = nil }
        return late.values.map { request in
            request.refusal.map { .refused(serial: request.serial, $0) } ?? .unanswered(serial: request.serial)
        }
    }
}
