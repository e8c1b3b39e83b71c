internal import Glibc

/// What a client has yet to be sent, and the truth rows of the ticks in it.
///
/// Frames are encoded straight into `bytes`. A row belongs to the truth file only when the last byte of its frame has
/// been taken by the socket, so rows wait here with the position of that byte. Owner: the event loop.
struct OutputQueue {
    /// Frames, appended by the encoders; what lies before `sent` is gone already.
    var bytes: [UInt8] = []
    private var sent = 0
    /// Stream position of `bytes[0]`.
    private var base: UInt64 = 0
    private var rows: [UInt8] = []
    private var rowsTaken = 0
    private var marks: [(endsAt: UInt64, rowsEnd: Int)] = []
    private var marksTaken = 0

    enum Outcome: Equatable {
        case drained
        /// The socket takes no more for now.
        case waiting
        /// The connection is gone; errno.
        case failed(Int32)
    }

    var count: Int { bytes.count - sent }

    /// Adds rows that become true when all that has been appended so far is sent.
    mutating func mark(rows text: [UInt8]) {
        rows.append(contentsOf: text)
        marks.append((base + UInt64(bytes.count), rows.count))
    }

    /// Writes what the socket takes, at most `pieceBytes` at a time when that is not 0, and passes on the rows that
    /// have become true.
    mutating func flush(to descriptor: Int32, pieceBytes: Int, truth: RowFile?) -> Outcome {
        var outcome = Outcome.drained
        while sent < bytes.count {
            let size = pieceBytes > 0 ? min(pieceBytes, bytes.count - sent) : bytes.count - sent
            let wrote = bytes.withUnsafeBytes {
                sendNow(descriptor, UnsafeRawBufferPointer(rebasing: $0[sent..<(sent + size)]))
            }
            if wrote < 0 {
                if errno == EINTR { continue }
                outcome = errno == EAGAIN ? .waiting : .failed(errno)
                break
            }
            sent += wrote
        }
        settle(truth)
        compact()
        return outcome
    }

    private mutating func settle(_ truth: RowFile?) {
        let position = base + UInt64(sent)
        let from = rowsTaken
        while marksTaken < marks.count, marks[marksTaken].endsAt <= position {
            rowsTaken = marks[marksTaken].rowsEnd
            marksTaken += 1
        }
        if rowsTaken > from { truth?.append(rows[from..<rowsTaken]) }
        guard marksTaken == marks.count else { return }
        marks.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: rows.count <= 1 << 20)
        marksTaken = 0
        rowsTaken = 0
    }

    /// Gives sent bytes back: all at once when nothing is left, else only when that is worth the move.
    private mutating func compact() {
        guard sent > 0 else { return }
        if sent == bytes.count {
            base += UInt64(sent)
            bytes.removeAll(keepingCapacity: bytes.capacity <= 4 << 20)
            sent = 0
        } else if sent > 1 << 20, sent > bytes.count / 2 {
            base += UInt64(sent)
            bytes.removeFirst(sent)
            sent = 0
        }
    }
}
