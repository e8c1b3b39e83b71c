import Foundation
import JSON
import Messaging
import Testing

@Suite(.timeLimit(.minutes(1))) struct ControlTests {
    @Test func commandsAreAnsweredOrRefused() throws {
        let directory = try TemporaryDirectory()
        let context = try Context()
        let endpoint = directory.endpoint("connector")
        let ready = DispatchSemaphore(value: 0)
        let thread = TestThread {
            do throws(MessagingError) {
                var server = try ControlServer(in: context)
                try server.bind(endpoint)
                ready.signal()
                while true {
                    _ = try server.serve(timeoutMillis: -1) { request, _ in
                        request.command == "ping" ? .success(["nonce": request["nonce"] ?? nil]) : .failure("unknown")
                    }
                }
            } catch {
                if error.code != .contextClosed { Issue.record(error) }
            }
        }
        ready.wait()
        do {
            var client = try ControlClient(in: context)
            try client.connect(endpoint)
            let result = try client.call(
                "ping", [JSONObject.Member(name: "nonce", value: "x1")], timeoutMillis: patienceMillis)
            #expect(result == ["nonce": "x1"])
            do throws(MessagingError) {
                _ = try client.call("dance", timeoutMillis: patienceMillis)
                Issue.record("refused commands throw")
            } catch {
                #expect(error.code == .refused("unknown"))
            }
        }
        context.shutdown()
        #expect(thread.join())
    }
}
