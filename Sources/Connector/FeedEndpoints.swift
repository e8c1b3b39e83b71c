internal import Messaging
internal import ServiceKit

/// The TCP addresses of the live feed. One that can't be bound (somebody else has the port, its interface is not there
/// yet) costs its own subscribers and nothing else: recording goes on, it is tried again, and that is said.
struct FeedEndpoints {
    private var missing: [(endpoint: String, why: String)]
    private var nextNanos: Int64 = 0

    static let intervalNanos: Int64 = 2_000_000_000

    init(_ endpoints: [String]) { missing = endpoints.map { ($0, "not tried yet") } }

    /// Tries what is missing, every two seconds at most. Returns what has changed:
    /// bound (nil), or another reason why not.
    mutating func bind(
        nowNanos: Int64, _ bind: (String) throws(MessagingError) -> Void
    ) -> [(endpoint: String, fault: String?)] {
        guard !missing.isEmpty, nowNanos >= nextNanos else { return [] }
        nextNanos = nowNanos + Self.intervalNanos
        var news: [(endpoint: String, fault: String?)] = []
        var left: [(endpoint: String, why: String)] = []
        for (endpoint, before) in missing {
            do throws(MessagingError) {
                try bind(endpoint)
                news.append((endpoint, nil))
            } catch {
                let why = "\(error)"
                if why != before { news.append((endpoint, why)) }
                left.append((endpoint, why))
            }
        }
        missing = left
        return news
    }

    /// For the heartbeats: `ok` or `failing: …`.
    var fact: String { missing.first.map { "failing: \($0.why)" } ?? "ok" }
}

/// Says which addresses of the feed have been bound late, and which can't be.
func logEndpoints(_ news: [(endpoint: String, fault: String?)]) {
    for (endpoint, fault) in news {
        if let fault {
            log(.error, "an address of the feed can't be bound, trying again", ["endpoint": endpoint, "why": fault])
        } else {
            log(.notice, "the feed is offered", ["endpoint": endpoint])
        }
    }
}
