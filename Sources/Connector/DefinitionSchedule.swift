internal import Ticks

/// Which instruments' definitions have to be asked for, and when: at the beginning of every session, again before the
/// trading hours that they tell run out, and soon after a request that failed.
///
/// Pure: events and the time of one monotonic clock go in. Owner: the session thread.
struct DefinitionSchedule {
    /// Definitions are asked for again after this time: trading hours are given for a few days only.
    static let refreshNanos: Int64 = 20 * 3600 * 1_000_000_000
    /// After an error, or no answer.
    static let retryNanos: Int64 = 60_000_000_000
    /// After an answer that can't be decoded: the next one will hardly be another.
    static let undecodableNanos: Int64 = 3600 * 1_000_000_000
    /// A stream whose exchange is unknown waits this long for the answer, and no longer.
    static let answerNanos: Int64 = 5_000_000_000

    private enum State {
        /// Not asked for in this session.
        case fresh
        case asked(request: Int32, untilNanos: Int64)
        /// Answered, refused or not answered; to be asked for again.
        case due(atNanos: Int64, isFailed: Bool)
    }

    private var order: [ContractID] = []
    private var states: [ContractID: State] = [:]
    private var contractOf: [Int32: ContractID] = [:]
    /// Nothing has to be done before.
    private(set) var nextNanos: Int64 = .max

    /// A contract is tracked from now on. Does nothing for one that is already.
    mutating func add(_ contract: ContractID) {
        guard states[contract] == nil else { return }
        order.append(contract)
        states[contract] = .fresh
        nextNanos = .min
    }

    /// The session is over: all is asked for again in the next one, and late answers lead nowhere.
    mutating func forgetAll() {
        contractOf.removeAll()
        for contract in order { states[contract] = .fresh }
        nextNanos = order.isEmpty ? .max : .min
    }

    /// A contract to ask for now; in the order in which they were added. `sent` must follow.
    mutating func next(nowNanos now: Int64) -> ContractID? {
        guard now >= nextNanos else { return nil }
        expire(now)
        let due = order.first { contract in
            switch states[contract] {
            case .fresh: true
            case .due(let at, _): at <= now
            case .asked, nil: false
            }
        }
        if due == nil { nextNanos = states.values.map(DefinitionSchedule.time).min() ?? .max }
        return due
    }

    mutating func sent(_ request: Int32, contract: ContractID, nowNanos now: Int64) {
        contractOf[request] = contract
        states[contract] = .asked(request: request, untilNanos: now + DefinitionSchedule.answerNanos)
    }

    /// The contract that a request of ours asks about.
    func contract(of request: Int32) -> ContractID? { contractOf[request] }

    /// All that a request brings has come, or an error. False when the request is none of ours.
    mutating func ended(_ request: Int32, succeeded: Bool, nowNanos now: Int64) -> Bool {
        ended(request, waitNanos: succeeded ? DefinitionSchedule.refreshNanos : DefinitionSchedule.retryNanos, now)
    }

    /// The answer can't be decoded: what still comes for the request leads nowhere.
    mutating func notDecodable(_ request: Int32, nowNanos now: Int64) {
        _ = ended(request, waitNanos: DefinitionSchedule.undecodableNanos, now)
    }

    private mutating func ended(_ request: Int32, waitNanos wait: Int64, _ now: Int64) -> Bool {
        guard let contract = contractOf.removeValue(forKey: request) else { return false }
        states[contract] = .due(atNanos: now + wait, isFailed: wait == DefinitionSchedule.retryNanos)
        nextNanos = min(nextNanos, now + wait)
        return true
    }

    /// What stood in the way of answers is over: what failed is asked for now.
    mutating func retryFailed() {
        for contract in order {
            guard case .due(_, isFailed: true) = states[contract] else { continue }
            states[contract] = .due(atNanos: .min, isFailed: true)
            nextNanos = .min
        }
    }

    /// True while the first answer of this session is still to come: whoever needs it should wait.
    func isAwaited(_ contract: ContractID, nowNanos now: Int64) -> Bool {
        switch states[contract] {
        case .fresh: true
        case .asked(_, let until): now < until
        case .due, nil: false
        }
    }

    private mutating func expire(_ now: Int64) {
        for contract in order {
            guard case .asked(let request, let until) = states[contract], now >= until else { continue }
            contractOf[request] = nil
            states[contract] = .due(atNanos: now + DefinitionSchedule.retryNanos, isFailed: true)
        }
    }

    private static func time(_ state: State) -> Int64 {
        switch state {
        case .fresh: .min
        case .asked(_, let until): until
        case .due(let at, _): at
        }
    }
}
