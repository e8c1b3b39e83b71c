import CZMQShim
@testable import Messaging
import Testing

/// A ROUTER without any protocol above it: frames in, frames out.
struct RawRouter: ~Copyable {
    private let socket: Socket

    init(_ context: Context, _ endpoint: String) throws(MessagingError) {
        var opened = try Socket(.router, in: context, highWaterMark: 100_000, maxFrameBytes: -1)
        try opened.bind(endpoint)
        socket = opened
    }

    func send(_ frames: [[UInt8]]) throws(MessagingError) { try sendFrames(frames, on: socket) }
    func receive() throws(MessagingError) -> [[UInt8]] { try receiveFrames(on: socket) }
}

/// A DEALER without any protocol above it.
struct RawDealer: ~Copyable {
    private let socket: Socket

    init(
        _ context: Context, _ endpoint: String, kind: Socket.Kind = .dealer, highWaterMark: Int = 100_000
    ) throws(MessagingError) {
        var opened = try Socket(kind, in: context, highWaterMark: highWaterMark, maxFrameBytes: -1, lingerMillis: 0)
        try opened.connect(endpoint)
        socket = opened
    }

    func send(_ frames: [[UInt8]]) throws(MessagingError) { try sendFrames(frames, on: socket) }
    func receive() throws(MessagingError) -> [[UInt8]] { try receiveFrames(on: socket) }
    func receiveIfThere() throws(MessagingError) -> [[UInt8]]? { try receiveFrames(on: socket, waitMillis: 0) }
}

private func sendFrames(_ frames: [[UInt8]], on socket: borrowing Socket) throws(MessagingError) {
    // One buffer, so that every part's address stays.
    let joined = frames.flatMap { $0 }
    let code = joined.withUnsafeBytes { bytes in
        var offset = 0
        let parts = frames.map { frame in
            defer { offset += frame.count }
            return czs_part(bytes: bytes.baseAddress.map { $0 + offset }, count: frame.count)
        }
        return czs_send(socket.handle, parts, parts.count, patienceMillis)
    }
    try check(code, "send", "raw socket")
}

private func receiveFrames(on socket: borrowing Socket) throws(MessagingError) -> [[UInt8]] {
    guard let frames = try receiveFrames(on: socket, waitMillis: patienceMillis) else {
        throw MessagingError(.timedOut, operation: "receive", subject: "raw socket")
    }
    return frames
}

private func receiveFrames(
    on socket: borrowing Socket, waitMillis: Int32
) throws(MessagingError) -> [[UInt8]]? {
    var buffers = FrameBuffers([256, 20000, 20000, 20000, 20000])
    guard let arrival = try buffers.receive(from: socket, waitMillis: waitMillis) else { return nil }
    return (0..<arrival.frames).map { Array(buffers[$0]) }
}
