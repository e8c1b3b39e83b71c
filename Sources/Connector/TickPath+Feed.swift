internal import Messaging

/// The live feed beside the ticks: its addresses, and messages that are none.
extension TickPath {
    /// Tries the feed's TCP addresses that are missing.
    mutating func bindEndpoints(nowNanos: Int64) -> [(endpoint: String, fault: String?)] {
        // Out of `self` meanwhile: two of its parts are changed at once.
        var endpoints = self.endpoints
        defer { self.endpoints = endpoints }
        return endpoints.bind(nowNanos: nowNanos) { endpoint throws(MessagingError) in try publisher.bind(endpoint) }
    }

    /// `ok`, or why an address of the feed is missing.
    var endpointsFact: String { endpoints.fact }

    /// As `Socket.restoreFiles`, for the live feed.
    mutating func restoreFeed(nowNanos: Int64) -> [(path: String, fault: String?)] {
        publisher.restoreFiles(nowNanos: nowNanos)
    }

    /// Publishes a message that is not a tick (definitions, events, watermarks).
    mutating func publish(_ topic: Topic, _ payload: [UInt8]) {
        do throws(MessagingError) {
            try publisher.publish(topic, payload)
        } catch {
            counters.publishFailures &+= 1
        }
    }

    /// As `Publisher.receiveSubscriptions`.
    mutating func receiveSubscriptions(
        _ body: (_ subscribed: Bool, _ topic: UnsafeRawBufferPointer) -> Void
    ) throws(MessagingError) {
        try publisher.receiveSubscriptions(body)
    }

    func addPublisher(to poller: inout Poller) -> Poller.Entry { poller.add(publisher) }
}
