/// A stream of bytes that can't be a stream of frames. The connection must end: framing is never searched for again.
public enum FrameError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The four length bytes said 0 or more than `FrameReader.maxFrameBytes`.
    case badLength(UInt32)

    public var description: String {
        switch self {
        case .badLength(let length): "a frame of \(length) bytes (1 to \(FrameReader.maxFrameBytes) are possible)"
        }
    }
}

/// Cuts the byte stream of one TWS connection into frames: four length bytes, big endian, and a body.
///
/// The caller reads into `withFreeSpace` and takes bodies from `next` until it returns nil. Bytes may arrive cut
/// anywhere, also inside the length; none is ever dropped. A body is a window into the buffer: no copy, no
/// allocation. What is left of an incomplete frame moves to the front of the buffer once per read, not per frame.
///
/// The buffer has 256 KiB, grows for the one frame that needs more (16 MiB at most), and is given back afterwards.
/// Owner: the thread that owns the socket. Source: docs/tws.md#framing.
public struct FrameReader: ~Copyable {
    /// The longest body that TWS sends; a greater length is a stream out of step.
    public static let maxFrameBytes = 0xFF_FFFF
    /// The buffer's size, and so the most bytes that one read can bring in the ordinary case.
    public static let startCapacity = 256 * 1024
    @usableFromInline static let lengthBytes = 4

    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    /// Bytes `start..<end` of the buffer have been read and not yet been handed out.
    @usableFromInline var start = 0
    @usableFromInline var end = 0

    public init() {
        capacity = FrameReader.startCapacity
        base = .allocate(byteCount: FrameReader.startCapacity, alignment: 16)
    }

    deinit { base.deallocate() }

    /// Bytes of frames that have not been handed out yet.
    @inlinable public var bufferedBytes: Int { end &- start }

    /// Lets `body` write at the buffer's free end; it returns how many bytes it wrote (0 for none), which is also the
    /// result.
    ///
    /// There is always room for at least one byte, and ordinarily for 128 KiB or more. Ends the life of every body that
    /// `next` returned. Precondition: `next` has returned nil since the last call, and the count is within the space.
    @inlinable @discardableResult
    public mutating func withFreeSpace(_ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        if start == end, capacity == FrameReader.startCapacity {
            start = 0
            end = 0
        } else {
            makeRoom()
        }
        let free = capacity &- end
        let count = body(UnsafeMutableRawBufferPointer(start: base + end, count: free))
        precondition(count >= 0 && count <= free, "more bytes than there was room for")
        end &+= count
        return count
    }

    /// The body of the next complete frame, or nil when more bytes are needed.
    ///
    /// The bytes stay valid until the next `withFreeSpace`. Throws when the length can't be right, and again on every
    /// later call.
    @inlinable public mutating func next() throws(FrameError) -> UnsafeRawBufferPointer? {
        let available = end &- start
        guard available >= FrameReader.lengthBytes else { return nil }
        let length = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: start, as: UInt32.self))
        guard length &- 1 < UInt32(FrameReader.maxFrameBytes) else { throw .badLength(length) }
        let frameBytes = Int(length) &+ FrameReader.lengthBytes
        guard available >= frameBytes else { return nil }
        let body = UnsafeRawBufferPointer(start: base + (start &+ FrameReader.lengthBytes), count: Int(length))
        start &+= frameBytes
        return body
    }

    /// Forgets all bytes, for the next connection.
    public mutating func removeAll() {
        start = 0
        end = 0
        resize(to: FrameReader.startCapacity)
    }

    /// Moves the rest of a frame to the front when little room is left behind it; grows or shrinks where that is due.
    @usableFromInline mutating func makeRoom() {
        let rest = end - start
        var needed = FrameReader.lengthBytes
        if rest >= FrameReader.lengthBytes {
            let length = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: start, as: UInt32.self))
            // A length that can't be right has been reported by `next`; nothing is reserved for it.
            needed += Int(length) <= FrameReader.maxFrameBytes ? Int(length) : 0
        }
        precondition(rest < needed, "frames are taken out with next() before more bytes are read")
        // Room for the frame and for the start of what follows it, so that a frame's last bytes don't come alone.
        let wanted = needed <= FrameReader.startCapacity / 2 ? FrameReader.startCapacity : needed + 64 * 1024
        if wanted != capacity {
            resize(to: wanted)
        } else if start > 0, capacity - end < FrameReader.startCapacity / 2 {
            base.copyMemory(from: base + start, byteCount: rest)
            start = 0
            end = rest
        }
    }

    /// A buffer of another size with the rest at its front.
    private mutating func resize(to newCapacity: Int) {
        let rest = end - start
        guard newCapacity != capacity else { return }
        let newBase = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
        newBase.copyMemory(from: base + start, byteCount: rest)
        base.deallocate()
        base = newBase
        capacity = newCapacity
        start = 0
        end = rest
    }
}
