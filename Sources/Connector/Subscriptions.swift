internal import ServiceKit
internal import TWS
internal import Ticks

/// What must be subscribed, what is, and what has to be asked for next: the reconciler between configuration and gateway.
///
/// Pure: events and the time go in, requests come out. A tick-by-tick request has no success reply; the first tick, or no
/// error for a while, is all there is. Request ids only rise and are never used again. Owner: the session thread.
struct Subscriptions {
    enum State: Equatable {
        /// Not asked for yet, or again after this time (boot clock).
        case wanted(notBeforeNanos: Int64)
        /// Asked for under this request id.
        case requested(request: Int32, atNanos: Int64)
        /// More streams than lines: not asked for.
        case noLine
        /// Refused for good (until reconfigured): no permission, no such contract.
        case refused

        /// One word for answers to commands.
        var name: String {
            switch self {
            case .wanted: "not_subscribed"
            case .requested: "subscribed"
            case .noLine: "no_line"
            case .refused: "refused"
            }
        }
    }

    /// What the gateway answered to a request that failed.
    struct Refusal: Equatable, CustomStringConvertible {
        let code: Int32
        let text: String
        var description: String { "TWS says \(code): \(text)" }
    }

    struct Entry {
        let stream: StreamID
        let contract: TrackedContract
        /// The stream's number on the tick path.
        let slot: Int
        var state: State
        /// Why the last request failed.
        var lastError: Refusal?
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

    /// The entry that a request id belongs to, if it is a live one.
    func entry(of request: Int32) -> Int? { entryOf[request] }

    /// What to send next, if anything may go out now. `mayAsk` is asked with the entry and answers whether pacing allows
    /// its request; streams are asked for in file order.
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

    /// Something waits to be asked for.
    var hasWork: Bool {
        !cancels.isEmpty || entries.contains { if case .wanted = $0.state { true } else { false } }
    }

    /// The connection is gone, or the gateway forgot all subscriptions: everything is wanted again, nothing to cancel.
    mutating func forgetAll() {
        entryOf.removeAll()
        cancels.removeAll()
        for index in entries.indices {
            if case .requested = entries[index].state { entries[index].state = .wanted(notBeforeNanos: 0) }
        }
    }

    /// Cancels a stream and asks for it again. Does nothing for one that is not asked for.
    mutating func resubscribe(_ index: Int, notBeforeNanos: Int64 = 0) {
        guard case .requested(let id, _) = entries[index].state else { return }
        entryOf[id] = nil
        cancels.append((index, id))
        entries[index].state = .wanted(notBeforeNanos: notBeforeNanos)
    }

    /// The gateway answered a request with an error that ends it. `retryNanos` nil: do not ask again.
    mutating func failed(request: Int32, code: Int32, text: String, retryAtNanos: Int64?) {
        guard let index = entryOf.removeValue(forKey: request) else { return }
        entries[index].lastError = Refusal(code: code, text: text)
        entries[index].state =
            retryAtNanos.map { .wanted(notBeforeNanos: $0) } ?? .refused
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
        entries[index].state = .noLine
    }
}
