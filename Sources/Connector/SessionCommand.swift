internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import Synchronization
internal import Ticks

/// What the control thread asks the session thread to do.
enum SessionCommand: Sendable {
    /// Contracts by symbol; the answer comes when the gateway has given it.
    case lookup(symbol: String, secType: String, token: ControlToken)
    /// One stream, or all of them.
    case resubscribe(StreamID?, token: ControlToken)
    case reconnect(token: ControlToken)
    /// Until the next start.
    case subscribe(TrackedContract, token: ControlToken)
    case unsubscribe(StreamID, token: ControlToken)
    /// A recorder has keys of a greater epoch than ours.
    case renumber(above: UInt32, token: ControlToken)

    var token: ControlToken {
        switch self {
        case .lookup(_, _, let token), .resubscribe(_, let token), .reconnect(let token), .subscribe(_, let token),
            .unsubscribe(_, let token), .renumber(_, let token):
            token
        }
    }
}

/// The bounded queues between control thread and session thread, with a bell each.
final class SessionMailbox: Sendable {
    /// Commands that wait; one more is refused.
    static let limit = 64

    private struct State {
        var commands: [SessionCommand] = []
        var replies: [(ControlToken, ControlReply)] = []
    }

    private let state = Mutex(State())
    let forSession: WakeUp
    let forControl: WakeUp

    init() throws(ProgramError) {
        forSession = try WakeUp()
        forControl = try WakeUp()
    }

    /// Control thread. False when too many wait already.
    func post(_ command: SessionCommand) -> Bool {
        let taken = state.withLock { state in
            guard state.commands.count < SessionMailbox.limit else { return false }
            state.commands.append(command)
            return true
        }
        if taken { forSession.ring() }
        return taken
    }

    /// Session thread: everything posted since the last call.
    func takeCommands() -> [SessionCommand] {
        forSession.clear()
        return state.withLock { state in
            defer { state.commands.removeAll() }
            return state.commands
        }
    }

    /// Session thread: as many replies as commands were taken, so this is bounded too.
    func reply(_ reply: ControlReply, to token: ControlToken) {
        state.withLock { $0.replies.append((token, reply)) }
        forControl.ring()
    }

    /// Control thread.
    func takeReplies() -> [(ControlToken, ControlReply)] {
        forControl.clear()
        return state.withLock { state in
            defer { state.replies.removeAll() }
            return state.replies
        }
    }
}

/// What the session thread last said of itself, for the control thread. Any thread.
final class ConnectorStatus: Sendable {
    /// Until the session thread has its journal, only what is known before.
    private let state = Mutex<(status: JSONValue, streams: JSONValue, heals: JSONValue)>(
        (
            ["service": "connector", "session": "disconnected", "connected": false, "ticks": 0], ["streams": [:]],
            ["heals": []]
        ))

    /// Session thread.
    func update(status: JSONValue, streams: JSONValue) {
        state.withLock { state in
            state.status = status
            state.streams = streams
        }
    }

    /// Heal thread.
    func update(heals: JSONValue) { state.withLock { $0.heals = heals } }
    var heals: JSONValue { state.withLock { $0.heals } }
    var status: JSONValue { state.withLock { $0.status } }
    var streams: JSONValue { state.withLock { $0.streams } }
}
