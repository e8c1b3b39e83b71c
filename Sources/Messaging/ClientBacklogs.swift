internal import CLinux
internal import CZMQShim

/// What a server's answers to clients that do not read take up, over all of them bounded: when it is too much, the
/// client for whom most waits is cut off. Owned by the server's thread.
///
/// A queue per client (its high-water mark) bounds one client; a few dozen clients that ask and never read took half a
/// gigabyte.
struct ClientBacklogs: ~Copyable {
    /// Above it memory is worth giving back to the system once it is free again.
    private static let worthGivingBackBytes: Int64 = 8 << 20
    /// Clients remembered before those for whom nothing waits are forgotten.
    private static let remembered = 256

    let limitBytes: Int64
    private var clients: [[UInt8]: Client] = [:]
    private var holdsMuch = false

    /// One client's queue. A reference: its count goes on falling after the client was forgotten.
    final class Client {
        fileprivate let tally: OpaquePointer
        /// Of the connection that its last request came over.
        fileprivate var descriptor: Int32 = -1

        fileprivate init?() {
            guard let tally = czs_tally_new() else { return nil }
            self.tally = tally
        }

        deinit { czs_tally_release(tally) }

        var bytes: Int64 { czs_tally_bytes(tally) }

        /// As `czs_send_counted`.
        func send(_ parts: UnsafePointer<czs_part>, _ count: Int, on socket: OpaquePointer) -> Int32 {
            czs_send_counted(socket, parts, count, tally)
        }
    }

    init(limitBytes: Int64) { self.limitBytes = limitBytes }

    var bytes: Int64 { clients.values.reduce(0) { $0 + $1.bytes } }

    /// The client of a request, to answer it; nil when it has just been cut off
    /// (or memory is short): it gets no answer.
    ///
    /// - descriptor: of the connection that the request came over. path: the server's socket file.
    mutating func client(_ routing: [UInt8], descriptor: Int32, path: String) -> Client? {
        if clients[routing] == nil {
            if clients.count >= Self.remembered { clients = clients.filter { $0.value.bytes > 0 } }
            clients[routing] = Client()
        }
        clients[routing]?.descriptor = descriptor
        makeRoom(path: path)
        return clients[routing]
    }

    /// One that asked before; nil when it was cut off since.
    func client(_ routing: [UInt8]) -> Client? { clients[routing] }

    /// Cuts off the greediest until the rest is within the limit.
    private mutating func makeRoom(path: String) {
        var total = bytes
        if total > Self.worthGivingBackBytes { holdsMuch = true }
        while total > limitBytes, let greediest = clients.max(by: { $0.value.bytes < $1.value.bytes }) {
            total -= greediest.value.bytes
            // The connection may have ended by itself: then its queue goes as well.
            _ = czs_drop_connection(greediest.value.descriptor, path)
            clients[greediest.key] = nil
        }
    }

    /// Gives memory back to the system once clients have taken what waited, or are gone. Call it about once a second.
    mutating func giveBack() {
        guard holdsMuch, bytes < Self.worthGivingBackBytes else { return }
        holdsMuch = false
        clx_give_memory_back()
    }
}
