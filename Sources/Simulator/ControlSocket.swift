internal import Glibc
internal import ServiceKit

/// The unix socket that commands come in on: one line each, one line in answer. Owner: the event loop; never waits.
final class ControlSocket {
    static let maxPeers = 16

    private final class Peer {
        let descriptor: Int32
        var input: [UInt8] = []
        var output: [UInt8] = []
        var isOver = false
        init(descriptor: Int32) { self.descriptor = descriptor }
        deinit { close(descriptor) }
    }

    let path: String
    private let listener: Int32
    private var peers: [Peer] = []

    /// Listens at `path`; a socket that an earlier process left there is removed. Throws 74.
    init(path: String) throws(ProgramError) {
        func failure(_ call: String) -> ProgramError {
            ProgramError(.ioError, "control socket \(path): \(call): \(errorText(errno)): choose another path")
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw ProgramError(.usage, "control socket \(path): longer than 107 bytes: choose a shorter path")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        var info = stat()
        if lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, chmod(path, 0o660) == 0, listen(descriptor, 16) == 0 else {
            let error = failure("bind")
            close(descriptor)
            throw error
        }
        self.path = path
        listener = descriptor
    }

    deinit {
        close(listener)
        unlink(path)
    }

    /// What to wait for.
    var pollers: [pollfd] {
        [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            + peers.map { peer in
                pollfd(
                    fd: peer.descriptor, events: Int16(peer.output.isEmpty ? POLLIN : POLLIN | POLLOUT), revents: 0)
            }
    }

    /// Takes connections and lines, answers them through `perform`. Returns at once when there is nothing to do.
    func serve(_ perform: (String) -> String) {
        while true {
            let descriptor = acceptConnection(listener)
            guard descriptor >= 0 else { break }
            let peer = Peer(descriptor: descriptor)
            if peers.count < ControlSocket.maxPeers { peers.append(peer) }
        }
        for peer in peers {
            read(peer)
            while let end = peer.input.firstIndex(of: 0x0A) {
                let line = String(decoding: peer.input[..<end], as: UTF8.self)
                peer.input.removeFirst(end + 1)
                peer.output += Array(perform(line.trimmed).utf8) + [0x0A]
            }
            if peer.input.count > ControlCommand.limitBytes { peer.isOver = true }
            write(peer)
        }
        peers.removeAll { $0.isOver && $0.output.isEmpty }
    }

    private func read(_ peer: Peer) {
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while !peer.isOver, peer.input.count <= ControlCommand.limitBytes {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(peer.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            guard count > 0 else { return peer.isOver = true }
            peer.input += chunk[..<count]
        }
    }

    private func write(_ peer: Peer) {
        guard !peer.output.isEmpty else { return }
        let count = peer.output.withUnsafeBytes { sendNow(peer.descriptor, $0) }
        if count > 0 {
            peer.output.removeFirst(count)
        } else if errno != EAGAIN, errno != EINTR {
            peer.output = []
            peer.isOver = true
        }
    }
}
