internal import Glibc

/// The next waiting connection of a listening socket, non-blocking and closed at exec; -1 when there is none.
func acceptConnection(_ listener: Int32) -> Int32 {
    let descriptor = accept(listener, nil, nil)
    guard descriptor >= 0 else { return -1 }
    // Nothing is executed by this program, so the moment between the two calls does not matter.
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
}

/// Sends without waiting and without SIGPIPE; as `send`.
func sendNow(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
}
