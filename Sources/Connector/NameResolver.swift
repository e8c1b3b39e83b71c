internal import Glibc
internal import ServiceKit
internal import Synchronization

/// Turns the gateway's host name into addresses on a thread of its own: a name server that does not answer holds
/// `getaddrinfo` up for half a minute, which the session thread must not notice. One question at a time.
///
/// Addresses written as numbers need nobody to ask: `SocketAddress.literal`.
final class NameResolver: Sendable {
    private struct Question: Equatable {
        let host: String
        let port: UInt16
    }

    private struct State {
        var question: Question?
        var answer: Result<[SocketAddress], LinkError>?
    }

    private let state = Mutex(State())
    private let forResolver: WakeUp
    /// Rings when an answer is there. The session thread waits for it.
    let forSession: WakeUp

    init() throws(ProgramError) {
        forResolver = try WakeUp()
        forSession = try WakeUp()
    }

    /// Session thread: asks. An earlier question that is still open is forgotten, unless it is the same.
    func ask(_ host: String, _ port: UInt16) {
        let question = Question(host: host, port: port)
        let isNew = state.withLock { state in
            guard state.question != question else { return false }
            state.question = question
            state.answer = nil
            return true
        }
        if isNew { forResolver.ring() }
    }

    /// Session thread: the answer to the last question, once.
    func takeAnswer() -> Result<[SocketAddress], LinkError>? {
        forSession.clear()
        return state.withLock { state in
            guard let answer = state.answer else { return nil }
            state = State()
            return answer
        }
    }

    /// Session thread: nobody waits for an answer any more.
    func forget() { state.withLock { $0 = State() } }

    /// Own thread, until the stop.
    func run(_ task: TaskContext) {
        while !task.stop.isStopped {
            task.progress.advance()
            if let question = state.withLock({ $0.answer == nil ? $0.question : nil }) {
                // Counts as progress like a call to the disk: it ends by itself.
                let answer = task.progress.duringDiskCall { NameResolver.resolve(question) }
                state.withLock { state in
                    if state.question == question { state.answer = answer }
                }
                forSession.ring()
                continue
            }
            var pollers = [forResolver.descriptor, task.stop.fileDescriptor].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            _ = poll(&pollers, 2, 500)
            forResolver.clear()
        }
    }

    private static func resolve(_ question: Question) -> Result<[SocketAddress], LinkError> {
        do throws(LinkError) {
            return .success(try SocketAddress.resolve(question.host, question.port))
        } catch {
            return .failure(error)
        }
    }
}
