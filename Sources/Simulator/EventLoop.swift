internal import Glibc
internal import ServiceKit

/// The simulator's only thread: waits for sockets and time, and lets the gateway do the rest.
struct EventLoop: ~Copyable {
    private let gateway: Gateway
    private var listener: Listener
    private let control: ControlSocket?
    /// The pipe whose other end a parent holds; -1 without one.
    private let lifeline: Int32
    private var connections = 0

    init(gateway: Gateway, listener: consuming Listener, control: ControlSocket?, lifeline: Int32) {
        self.gateway = gateway
        self.listener = listener
        self.control = control
        self.lifeline = lifeline
    }

    /// Runs until a stop signal or the end of the lifeline; then everything that was sent is in the files.
    mutating func run(_ signals: borrowing StopSignals) throws(ProgramError) {
        var isOver = false
        while !isOver {
            isOver = wait(signals.fileDescriptor)
            if let number = signals.next() {
                log(.notice, "stopping", ["signal": StopSignals.name(number)])
                isOver = true
            }
            gateway.step(nowNanos: realNanos(), nowBootNanos: bootNanos())
            acceptClients()
            if !gateway.faults.isStalled {
                for client in gateway.clients { gateway.receive(from: client) }
                gateway.endSlowLogins()
            }
            try serveControl()
            gateway.flush()
            gateway.reap()
            try gateway.checkFiles()
        }
        sayGoodbye()
        gateway.closeFiles()
        try gateway.checkFiles()
    }

    /// How long clients have to read what their sockets have taken, and to close.
    private static let goodbyeNanos: Int64 = 1_000_000_000

    /// Ends all connections in order. Closing at once would not do: a byte that a client sends to a closed socket makes
    /// the kernel drop what it has taken and not delivered yet, and the truth file says that it was sent.
    private func sayGoodbye() {
        for client in gateway.clients { client.finish() }
        let deadline = bootNanos() + EventLoop.goodbyeNanos
        var open = gateway.clients.filter { !$0.hasClosed }
        while !open.isEmpty, bootNanos() < deadline {
            var pollers = open.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            _ = poll(&pollers, nfds_t(pollers.count), 50)
            open.removeAll { $0.hasClosed }
        }
        for client in gateway.clients { client.end("the gateway stops") }
        gateway.reap()
    }

    /// Waits for something to do; true when the parent is gone.
    private func wait(_ signals: Int32) -> Bool {
        var pollers = [
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0), pollfd(fd: lifeline, events: 0, revents: 0),
            pollfd(fd: gateway.faults.isStalled ? -1 : listener.fileDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        pollers += control?.pollers ?? []
        if !gateway.faults.isStalled {
            pollers += gateway.clients.map { client in
                let wanted = (client.isClosing ? 0 : POLLIN) | (client.output.count > 0 ? POLLOUT : 0)
                return pollfd(fd: client.descriptor, events: Int16(wanted), revents: 0)
            }
        }
        _ = poll(&pollers, nfds_t(pollers.count), gateway.turnMillis)
        guard pollers[1].revents & Int16(POLLHUP) != 0 else { return false }
        log(.notice, "stopping", ["cause": "the parent process is gone"])
        return true
    }

    private mutating func acceptClients() {
        guard !gateway.faults.isStalled else { return }
        while let descriptor = listener.next() {
            connections += 1
            let client = ClientSession(descriptor: descriptor, number: connections, nowNanos: bootNanos())
            guard gateway.clients.count < Gateway.maxClients else {
                log(.warning, "connection refused", ["cause": "\(Gateway.maxClients) clients are connected"])
                continue
            }
            gateway.connected(client)
        }
    }

    private mutating func serveControl() throws(ProgramError) {
        var wishes: [ControlCommand] = []
        control?.serve { line in
            do throws(ControlError) {
                let command = try ControlCommand(parsing: line)
                log(.notice, "control", ["command": line])
                if command == .refuse || command == .accept { wishes.append(command) }
                return gateway.perform(command)
            } catch {
                return "error \(error)"
            }
        }
        for wish in wishes {
            if wish == .refuse { try listener.refuse() } else { try listener.acceptAgain() }
        }
    }
}
