internal import ServiceKit
internal import Supervision
internal import Synchronization

/// Serves the health pages from the moment at which their address can be bound. Until then health is red and says why,
/// and the address is tried again: judging and restarting never wait for it.
final class HealthPages: Sendable {
    private let wanted: HTTPAddress
    private let board: Board
    private let server = Mutex<HTTPServer?>(nil)

    /// An address that can't be bound is said again this often.
    static let sayNanos: Int64 = 60_000_000_000

    init(_ wanted: HTTPAddress, board: Board) {
        self.wanted = wanted
        self.board = board
    }

    /// Listens unless it does already. Any thread. True when the pages are served; else the board knows why not.
    func open() -> Bool {
        server.withLock { server in
            guard server == nil else { return true }
            do throws(ProgramError) {
                let opened = try HTTPServer(address: wanted, board: board)
                server = opened
                board.set(http: opened.address)
                log(.notice, "health pages", ["url": "http://\(opened.address)/health"])
                return true
            } catch {
                board.set(httpFault: error.description)
                return false
            }
        }
    }

    /// Own thread, until the stop: tries again for as long as it takes.
    func run(_ task: TaskContext) {
        var backoff = Backoff(
            firstNanos: 500_000_000, limitNanos: 5_000_000_000, seed: UInt64(bitPattern: realNanos()))
        var nextNanos: Int64 = 0
        var saidNanos: Int64?
        repeat {
            task.progress.advance()
            let now = bootNanos()
            server.withLock { $0?.endOverdue(nowNanos: now) }
            guard now >= nextNanos else { continue }
            // Once open it stays so: no need to look again before long.
            guard !open() else {
                nextNanos = .max
                continue
            }
            nextNanos = now + backoff.nextDelayNanos()
            if saidNanos.map({ now - $0 >= Self.sayNanos }) ?? true {
                saidNanos = now
                log(.error, "no health pages yet, trying again", ["why": board.httpFault ?? ""])
            }
        } while !task.stop.wait(millis: 250)
    }

    /// Ends serving and closes the port.
    func stop() {
        let running = server.withLock { server in
            defer { server = nil }
            return server
        }
        running?.stop()
    }
}
