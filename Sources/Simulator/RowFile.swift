internal import Glibc

/// A CSV file that rows are appended to, written in large pieces. Owner: the event loop.
///
/// After a failed write the file says nothing that can be relied on, so `failure` stays set and the program ends with
/// it.
final class RowFile {
    static let pieceBytes = 256 * 1024

    let path: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    /// errno of the first write that failed.
    private(set) var failure: Int32?

    /// Creates the file, or empties it. Throws errno.
    init(path: String, header: String) throws(SystemError) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw SystemError(call: "open", code: errno) }
        self.path = path
        buffer.reserveCapacity(RowFile.pieceBytes + 4_096)
        buffer.append(contentsOf: header.utf8)
    }

    deinit { close(descriptor) }

    func append(_ rows: some Collection<UInt8>) {
        buffer.append(contentsOf: rows)
        if buffer.count >= RowFile.pieceBytes { flush() }
    }

    /// Hands everything to the system.
    func flush() {
        var done = 0
        while done < buffer.count, failure == nil {
            let wrote = buffer.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if wrote < 0, errno == EINTR { continue }
            if wrote < 0 { failure = errno } else { done += wrote }
        }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// A system call that failed.
struct SystemError: Error, Equatable, CustomStringConvertible {
    let call: String
    let code: Int32
    var description: String { "\(call): \(String(cString: strerror(code)))" }
}
