internal import ServiceKit
internal import TWS
internal import Ticks

/// What must be subscribed, what is, and what has to be asked for next: the
/// reconciler between configuration and gateway.
///
/// Pure: events and the time go in, requests come out. A tick-by-tick request has no success reply; the first tick, or
/// no error for a while, is all there is. Request ids only rise and are never used again. Owner: the session thread.
struct Subscriptions {
    enum State: Equatable {
        /// Not asked for yet, or again after this time (boot clock).
        case wanted(notBeforeNanos: Int64)
        /// Asked for under this request id.
        case requested(request: Int32, atNanos: Int64)
        /// More streams than lines: not asked for.
        case noLine
        /// Refused for good, until the next session: no permission, no such contract.
        case refused
        /// Not wanted any more, until somebody wants it again.
        case ended

        /// One word for answers to commands.
        var name: String {
            switch self {
            case .wanted: "not_subscribed"
            case .requested: "subscribed"
            case .noLine: "no_line"
            case .refused: "refused"
            case .ended: "not_subscribed"
            }
        }
    }

    /// What the gateway answered to a request that failed.
    struct Refusal: Equatable, CustomStringConvertible {
        let code: Int32
        let text: String
        /// The table's word on it.
        var rule: ErrorPolicy.Rule { ErrorPolicy.rule(for: ErrorMessage(requestId: 0, code: code, text: text)) }
        var description: String { "TWS says \(code): \(text)" + (rule.advice.map { ": \($0)" } ?? "") }
    }

    struct Entry {
        let stream: StreamID
        var contract: TrackedContract
        /// The stream's number on the tick path.
        let slot: Int
        var state: State
        /// Why the last request failed.
        var lastError: Refusal?
        /// The contract that the gateway has named for the stream's data (`reroute`); nil: its own.
        var underlying: Contract?

        /// The request that the stream is asked for with, and since when (boot clock); nil: it is not.
        var asked: (request: Int32, sinceNanos: Int64)? {
            if case .requested(let request, let atNanos) = state { (request, atNanos) } else { nil }
        }

        /// One word of the judgement's vocabulary, as far as the connector knows it. What a code means stands in
        /// `ErrorPolicy.table` alone.
        ///
        /// - Parameter isVain: the request was made before, and nothing but a code came.
        func shown(isDelayed: Bool, isFrozen: Bool = false, isVain: Bool = false, nowNanos now: Int64) -> String {
            switch state {
            case .noLine: return ErrorPolicy.Shown.noLine.rawValue
            // As long as no tick shows the contrary.
            case .requested where lastError?.rule.shown == .competingSession:
                return ErrorPolicy.Shown.competingSession.rawValue
            case .requested where isFrozen: return "frozen"
            case .requested where isDelayed: return ErrorPolicy.Shown.delayed.rawValue
            case .requested where isVain: return (lastError?.rule.shown ?? .notSubscribed).rawValue
            case .requested: return "subscribed"
            case .wanted(let notBefore) where notBefore <= now: return "pending"
            case .ended: return ErrorPolicy.Shown.notSubscribed.rawValue
            case .wanted, .refused: return (lastError?.rule.shown ?? .notSubscribed).rawValue
            }
        }
    }

    /// A request to send now.
    enum Action: Equatable {
        case subscribe(entry: Int, request: Int32)
        case cancel(entry: Int, request: Int32)
    }

    private(set) var entries: [Entry] = []
    private var entryOf: [Int32: Int] = [:]
    /// Requests to cancel before anything is asked for again.
    private var cancels: [(entry: Int, request: Int32)] = []

    mutating func add(_ stream: StreamID, contract: TrackedContract, slot: Int, hasLine: Bool) {
        entries.append(
            Entry(stream: stream, contract: contract, slot: slot, state: hasLine ? .wanted(notBeforeNanos: 0) : .noLine)
        )
    }

    /// The stream's entry, whatever its state.
    func index(of stream: StreamID) -> Int? { entries.firstIndex { $0.stream == stream } }

    /// The entry that a request id belongs to, if it is a live one.
    func entry(of request: Int32) -> Int? { entryOf[request] }

    /// What to send next, if anything may go out now. `mayAsk` is asked with the entry and answers whether pacing
    /// allows its request; streams are asked for in file order.
    mutating func next(nowNanos: Int64, request: () -> Int32, mayAsk: (Entry) -> Bool) -> Action? {
        if let cancel = cancels.popLast() { return .cancel(entry: cancel.entry, request: cancel.request) }
        for index in entries.indices {
            guard case .wanted(let notBefore) = entries[index].state, nowNanos >= notBefore, mayAsk(entries[index])
            else { continue }
            let id = request()
            entries[index].state = .requested(request: id, atNanos: nowNanos)
            entryOf[id] = index
            return .subscribe(entry: index, request: id)
        }
        return nil
    }

    /// When something is to be asked for, as far as waiting times go (pacing may make it later); nil: nothing is.
    var nextDueNanos: Int64? {
        guard cancels.isEmpty else { return .min }
        var due: Int64?
        for entry in entries {
            if case .wanted(let notBefore) = entry.state { due = min(due ?? .max, notBefore) }
        }
        return due
    }

    /// The connection is gone, and all subscriptions with it: everything is wanted again, nothing to cancel.
    mutating func forgetAll() {
        entryOf.removeAll()
        cancels.removeAll()
        for index in entries.indices {
            if case .requested = entries[index].state { entries[index].state = .wanted(notBeforeNanos: 0) }
        }
    }

    /// The gateway says that it forgot all subscriptions. What it did not forget must not stand beside the new ones.
    mutating func resubscribeAll() {
        for index in entries.indices { resubscribe(index) }
    }

    /// A new session: what was refused for good in the last one may be granted in this one.
    mutating func forgetRefusals() {
        for index in entries.indices where entries[index].state == .refused {
            entries[index].state = .wanted(notBeforeNanos: 0)
        }
    }

    /// Cancels a stream and asks for it again. Does nothing for one that is not asked for.
    mutating func resubscribe(_ index: Int, notBeforeNanos: Int64 = 0) {
        guard case .requested(let id, _) = entries[index].state else { return }
        entryOf[id] = nil
        cancels.append((index, id))
        entries[index].state = .wanted(notBeforeNanos: notBeforeNanos)
    }

    /// The gateway names another contract for the stream's data: that is asked for, as long as this process runs.
    mutating func reroute(_ index: Int, to underlying: Contract) {
        entries[index].underlying = underlying
        resubscribe(index)
    }

    /// The gateway answered a request with an error that ends it. It is cancelled all the same: a request that is given
    /// up and lives on would stand beside the next one. `retryNanos` nil: do not ask again.
    mutating func failed(request: Int32, code: Int32, text: String, retryAtNanos: Int64?) {
        guard let index = entryOf.removeValue(forKey: request) else { return }
        cancels.append((index, request))
        entries[index].lastError = Refusal(code: code, text: text)
        entries[index].state =
            retryAtNanos.map { .wanted(notBeforeNanos: $0) } ?? .refused
    }

    /// The gateway said something of a request that lives, or may live; nil: it is over.
    mutating func note(_ refusal: Refusal?, of index: Int) { entries[index].lastError = refusal }

    /// The same of every request that lives.
    mutating func noteAll(_ refusal: Refusal) {
        for index in entries.indices {
            if case .requested = entries[index].state { entries[index].lastError = refusal }
        }
    }

    /// What failed with this code is asked for now.
    mutating func hasten(code: Int32) {
        for index in entries.indices where entries[index].lastError?.code == code {
            if case .wanted = entries[index].state { entries[index].state = .wanted(notBeforeNanos: 0) }
        }
    }

    /// A stream that had no line has one now.
    mutating func giveLine(_ stream: StreamID) {
        for index in entries.indices where entries[index].stream == stream && entries[index].state == .noLine {
            entries[index].state = .wanted(notBeforeNanos: 0)
        }
    }

    /// A stream ends: it is cancelled and no longer wanted.
    mutating func end(_ index: Int) {
        if case .requested(let id, _) = entries[index].state {
            entryOf[id] = nil
            cancels.append((index, id))
        }
        entries[index].state = .ended
    }

    /// A stream that was ended is wanted again, in its old place. Does nothing for one that was not.
    mutating func revive(_ index: Int, contract: TrackedContract, hasLine: Bool) {
        guard entries[index].state == .ended else { return }
        entries[index].contract = contract
        entries[index].lastError = nil
        entries[index].state = hasLine ? .wanted(notBeforeNanos: 0) : .noLine
    }
}
