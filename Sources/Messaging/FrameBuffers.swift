internal import CZMQShim
internal import Glibc

/// The places that a socket's messages are received into: one buffer per frame, allocated once, each 64-byte aligned.
struct FrameBuffers: ~Copyable {
    private let slots: UnsafeMutablePointer<czs_slot>
    private let memory: UnsafeMutableRawPointer
    private let count: Int

    /// What came: the frames that the message had (those beyond the buffers are gone), and
    /// whether one was longer than its buffer.
    struct Arrival {
        let frames: Int
        let wasCut: Bool
        /// The descriptor of the connection that it came over, or -1; the connection may be gone by now.
        let source: Int32
    }

    init(_ capacities: [Int]) {
        let padded = capacities.map { ($0 + 63) & ~63 }
        memory = .allocate(byteCount: max(64, padded.reduce(0, +)), alignment: 64)
        slots = .allocate(capacity: max(1, capacities.count))
        count = capacities.count
        var offset = 0
        for (index, capacity) in capacities.enumerated() {
            (slots + index).initialize(to: czs_slot(buffer: memory + offset, capacity: capacity, length: 0))
            offset += padded[index]
        }
    }

    deinit {
        slots.deallocate()
        memory.deallocate()
    }

    /// Receives one message; nil when none came in time.
    mutating func receive(from socket: borrowing Socket, waitMillis: Int32) throws(MessagingError) -> Arrival? {
        for index in 0..<count { slots[index].length = 0 }
        var frames = 0
        var source: Int32 = -1
        let code = czs_receive_from(socket.handle, slots, count, waitMillis, &frames, &source)
        switch code {
        case 0: return Arrival(frames: frames, wasCut: false, source: source)
        case EMSGSIZE: return Arrival(frames: frames, wasCut: true, source: source)
        case EAGAIN: return nil
        default: throw MessagingError(errno: code, operation: "receive from", subject: socket.name)
        }
    }

    /// The bytes of a frame (empty for one that did not come), valid until the next `receive`.
    subscript(index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: slots[index].buffer, count: min(slots[index].length, slots[index].capacity))
    }

}

/// True when the bytes are exactly these characters.
func equal(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    bytes.count == text.utf8CodeUnitCount
        && bytes.elementsEqual(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}

/// `withUnsafeBytes` for bodies that throw a typed error.
func withBytes<R, E: Error>(
    of bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(E) -> R
) throws(E) -> R {
    let result = bytes.withUnsafeBytes { buffer -> Result<R, E> in
        do throws(E) {
            return .success(try body(buffer))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}
