internal import CLinux
// An optimized build finds the constants of <sys/socket.h> in the first C module that included it.
internal import CSystemd
internal import Glibc

/// The receiving end of heartbeats: a datagram socket on which the kernel tells who sent. One thread.
public struct NotifyReceiver: ~Copyable {
    /// A notification and its sender as the kernel knows it.
    public struct Arrival: Sendable {
        public let notification: Notification
        public let pid: Int32
    }

    private let descriptor: Int32
    private let path: String
    private var file: clx_file_id
    private var nextLookNanos: Int64 = 0
    /// Why the socket could not be bound anew, as told last.
    private var fault: String?
    /// Datagrams that were no notification, or came from another user.
    public private(set) var refused = 0
    private var buffer = [UInt8](repeating: 0, count: Notification.maxBytes + 1)

    /// Binds the socket. The caller holds the lock of the directory's owner, so that what lies at `path` is left over
    /// from before and is removed. Throws 74 with one line.
    public init(path: String) throws(ProgramError) {
        (descriptor, file) = try NotifyReceiver.bind(path)
        self.path = path
    }

    deinit {
        close(descriptor)
        if isOwn { unlink(path) }
    }

    private static func bind(_ path: String) throws(ProgramError) -> (descriptor: Int32, file: clx_file_id) {
        func problem(_ call: String) -> ProgramError {
            ProgramError(.ioError, "heartbeat socket \(path): \(call): \(errorText(errno))")
        }
        let made = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard made >= 0 else { throw problem("socket") }
        unlink(path)
        var file = clx_file_id()
        guard UnixAddress.with(path, { Int(Glibc.bind(made, $0, $1)) }) == 0, clx_pass_credentials(made) == 0,
            clx_file_at(path, &file) == 0
        else {
            let error = problem("bind")
            close(made)
            throw error
        }
        // Services of the same group may send, nobody else.
        chmod(path, 0o660)
        return (made, file)
    }

    /// True while the file at the path is this socket's own.
    private var isOwn: Bool {
        var now = clx_file_id()
        return clx_file_at(path, &now) == 0 && now.device == file.device && now.inode == file.inode
    }

    /// Looks, once a second however often it is called, whether the socket's file is still its own, and binds anew when
    /// it is not: who sends finds the socket by its path. Returns what is to be said about it.
    public mutating func restoreFile(nowNanos: Int64) -> [(path: String, fault: String?)] {
        guard nowNanos >= nextLookNanos else { return [] }
        nextLookNanos = nowNanos + 1_000_000_000
        return isOwn ? [] : bindAnew()
    }

    /// Binds anew, whatever the file looks like; the descriptor's number stays. What has not been received yet is lost.
    /// Returns what is to be said about it: nothing when it fails as it did the last time.
    public mutating func bindAnew() -> [(path: String, fault: String?)] {
        // The directory may have gone with the file.
        mkdir(Files.parent(of: path), 0o750)
        let before = fault
        do throws(ProgramError) {
            let (made, file) = try NotifyReceiver.bind(path)
            defer { close(made) }
            guard dup2(made, descriptor) >= 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
                throw ProgramError(.ioError, "heartbeat socket \(path): dup: \(errorText(errno))")
            }
            self.file = file
            fault = nil
        } catch {
            fault = error.description
        }
        return fault == nil || fault != before ? [(path, fault)] : []
    }

    /// Readable when something arrived.
    public var fileDescriptor: Int32 { descriptor }

    /// Datagrams refused in one call, so that whoever sends them without end leaves time for everything else.
    private static let refusedPerCall = 64

    /// The next notification that is there; nil when there is none (or many that are none). Never waits.
    public mutating func next() -> Arrival? {
        for _ in 0..<NotifyReceiver.refusedPerCall {
            var pid: pid_t = 0
            var uid: uid_t = 0
            let got = buffer.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map { clx_receive_with_credentials(descriptor, $0, bytes.count, &pid, &uid) } ?? -1
            }
            if got < 0 {
                guard errno == EPROTO else { return nil }
                refused += 1
                continue
            }
            guard got <= Notification.maxBytes, uid == geteuid() || uid == 0,
                let notification = buffer.withUnsafeBytes({
                    Notification(parsing: UnsafeRawBufferPointer(rebasing: $0[0..<got]))
                })
            else {
                refused += 1
                continue
            }
            return Arrival(notification: notification, pid: pid)
        }
        return nil
    }
}
