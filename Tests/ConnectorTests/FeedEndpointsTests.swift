import Messaging
import Testing

@testable import Connector

@Suite struct FeedEndpointsTests {
    @Test func whatCanNotBeBoundIsTriedAgainAndSaidOnce() {
        var endpoints = FeedEndpoints(["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"])
        var taken: Set = ["tcp://127.0.0.1:1"]
        var tried: [String] = []
        func look(_ seconds: Int64) -> [String] {
            endpoints.bind(nowNanos: seconds * 1_000_000_000) { endpoint throws(MessagingError) in
                tried.append(endpoint)
                if taken.contains(endpoint) {
                    throw MessagingError(.addressInUse, operation: "bind", subject: endpoint)
                }
            }.map { "\($0.endpoint) \($0.fault == nil ? "bound" : "missing")" }
        }
        #expect(look(1) == ["tcp://127.0.0.1:1 missing", "tcp://127.0.0.1:2 bound"])
        #expect(endpoints.fact.hasPrefix("failing: ") && endpoints.fact.contains("127.0.0.1:1"))
        #expect(look(2).isEmpty && tried.count == 2, "not more often than every two seconds")
        #expect(look(3).isEmpty && tried.count == 3, "tried again, nothing new to say")
        taken = []
        #expect(look(5) == ["tcp://127.0.0.1:1 bound"])
        #expect(endpoints.fact == "ok")
        #expect(look(9).isEmpty && tried.count == 4)
    }
}
