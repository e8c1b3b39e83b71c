internal import CZMQShim

/// Waits for messaging sockets and file descriptors together. Owned by one thread; no allocation in `wait`.
///
/// It holds the sockets' handles, not the sockets: remove a socket's entry (`clear`) or
/// drop the poller before the socket ends.
public struct Poller: ~Copyable {
    /// What to wait for, and what was found.
    public struct Events: OptionSet, Sendable {
        public let rawValue: Int16
        public init(rawValue: Int16) { self.rawValue = rawValue }
        public static let readable = Events(rawValue: Int16(CZS_POLL_IN))
        public static let writable = Events(rawValue: Int16(CZS_POLL_OUT))
        /// The descriptor failed or was hung up; only ever found, never asked for.
        public static let failed = Events(rawValue: Int16(CZS_POLL_ERROR))
    }

    /// An entry's place, given by `add`.
    public struct Entry: Sendable, Hashable {
        let index: Int
    }

    private let items: UnsafeMutablePointer<czs_poll_item>
    private let capacity: Int
    private var count = 0

    /// A poller of at most `capacity` entries (up to 16 libzmq polls without allocating).
    public init(capacity: Int = 16) {
        self.capacity = capacity
        items = .allocate(capacity: capacity)
    }

    deinit { items.deallocate() }

    /// Adds a socket: `poller.add(publisher)` for the types that have one.
    public mutating func add(_ socket: borrowing Socket, for events: Events = .readable) -> Entry {
        append(czs_poll_item(socket: socket.handle, descriptor: -1, events: events.rawValue, ready: 0))
    }

    public mutating func add(_ publisher: borrowing Publisher) -> Entry {
        add(handle: publisher.withSocket { $0.handle })
    }

    public mutating func add(_ subscriber: borrowing Subscriber) -> Entry {
        add(handle: subscriber.withSocket { $0.handle })
    }

    public mutating func add(_ server: borrowing ReplayServer) -> Entry {
        add(handle: server.withSocket { $0.handle })
    }

    public mutating func add(_ client: borrowing ReplayClient) -> Entry {
        add(handle: client.withSocket { $0.handle })
    }

    public mutating func add(_ server: borrowing ControlServer) -> Entry {
        add(handle: server.withSocket { $0.handle })
    }

    public mutating func add(_ monitor: borrowing Monitor) -> Entry {
        add(handle: monitor.withSocket { $0.handle })
    }

    /// Adds a descriptor, or a place for one: -1 is skipped until `setDescriptor`.
    public mutating func add(descriptor: Int32, for events: Events = .readable) -> Entry {
        append(czs_poll_item(socket: nil, descriptor: descriptor, events: events.rawValue, ready: 0))
    }

    mutating func add(handle: OpaquePointer) -> Entry {
        append(czs_poll_item(socket: handle, descriptor: -1, events: Events.readable.rawValue, ready: 0))
    }

    /// Puts another descriptor (-1: none) into an entry made for one.
    public mutating func setDescriptor(_ descriptor: Int32, at entry: Entry) {
        items[entry.index].socket = nil
        items[entry.index].descriptor = descriptor
        items[entry.index].ready = 0
    }

    /// Changes what an entry waits for; empty means nothing.
    public mutating func setEvents(_ events: Events, at entry: Entry) { items[entry.index].events = events.rawValue }

    /// Empties an entry: its socket may end now.
    public mutating func clear(_ entry: Entry) { setDescriptor(-1, at: entry) }

    /// Waits until something is ready, `timeoutMillis` are over (-1: for ever) or a signal came; says how many are
    /// ready. Throws `contextClosed` after the context's shutdown.
    public mutating func wait(timeoutMillis: Int) throws(MessagingError) -> Int {
        var ready = 0
        try check(czs_poll(items, count, timeoutMillis, &ready), "poll", "sockets")
        return ready
    }

    /// What the last `wait` found for an entry.
    public subscript(entry: Entry) -> Events { Events(rawValue: items[entry.index].ready) }

    private mutating func append(_ item: czs_poll_item) -> Entry {
        precondition(count < capacity, "the poller is full")
        (items + count).initialize(to: item)
        count += 1
        return Entry(index: count - 1)
    }
}
