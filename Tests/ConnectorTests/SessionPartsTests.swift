import Foundation
import JSON
import TWS
import Testing
import Ticks

@testable import Connector
@testable import Messaging

@Suite struct ContractLookupTests {
    private func lookup() -> ContractLookup {
        ContractLookup(token: ControlToken(routing: [1], hasDelimiter: false, id: .null), deadlineNanos: 0)
    }

    @Test func aProblemIsTheAnswerOnlyWhenNothingWasFound() throws {
        var found = lookup()
        found.problems = ["TWS says 200: none"]
        guard case .failure(let why) = found.reply else {
            Issue.record("a failure was expected")
            return
        }
        #expect(why == "TWS says 200: none")
        var details = InstrumentDetails()
        details.contract.conId = 7
        details.minTick = 250_000_000
        found.add(details)
        guard case .success(let result) = found.reply else {
            Issue.record("a success was expected")
            return
        }
        let contract = try #require(result["contracts"]?.array?.first)
        #expect(contract["con_id"]?.integer == 7)
        #expect(contract["min_tick"]?.string == "0.25")
    }

    @Test func anEmptyAnswerIsAnEmptyListAndALongOneIsCut() {
        guard case .success(let empty) = lookup().reply else {
            Issue.record("a success was expected")
            return
        }
        #expect(empty["contracts"]?.array?.isEmpty == true)
        var long = lookup()
        for _ in 0..<(ContractLookup.limit + 10) { long.add(InstrumentDetails()) }
        #expect(long.results.count == ContractLookup.limit)
    }
}

@Suite struct GatewayFaults {
    @Test func everyFaultHasACauseThatFitsIntoAMarker() {
        let faults: [(SessionFault, String)] = [
            (.closedByPeer, "disconnect"), (.inputOutput("read: reset"), "disconnect"), (.silent, "gateway silent"),
            (.linkLost, "link lost"), (.portChanged(7496), "port changed"), (.requested("x"), "reconnect"),
            (.connectTimeout, "no session"), (.clientIdInUse, "no session"), (.wrongAccount(.paper), "no session"),
            (.message(DecodeError(.badNumber, message: 99, field: 2)), "decode"),
        ]
        for (fault, cause) in faults {
            #expect(GatewaySession.cause(fault) == cause)
            #expect(cause.utf8.count <= 16)
        }
    }
}

@Suite struct GatewayLinkTests {
    /// A listener on 127.0.0.1 alone, at a port of the system's choice.
    private func listener() throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 4) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(bound)
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// Waits for the outcome of `connect` as the session does; true when the link is connected in the end.
    private func settle(_ link: inout GatewayLink) -> Bool {
        while link.isOpen {
            var entry = pollfd(fd: link.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&entry, 1, 30_000) == 1 else { return false }
            if link.connectOutcome() == 0 { return true }
            guard link.connectToNextAddress() else { return false }
        }
        return false
    }

    /// `localhost` stands for ::1 and 127.0.0.1, and a gateway listens on one of them.
    @Test(arguments: ["127.0.0.1", "localhost"]) func aNameIsTriedAtAllItsAddresses(host: String) throws {
        let (descriptor, port) = try listener()
        defer { close(descriptor) }
        var link = GatewayLink()
        try link.connect(to: SocketAddress.resolve(host, port))
        let isConnected = settle(&link)
        #expect(isConnected)
        try link.send([1, 2, 3])
        let accepted = accept(descriptor, nil, nil)
        defer { close(accepted) }
        var bytes = [UInt8](repeating: 0, count: 3)
        _ = recv(accepted, &bytes, 3, Int32(MSG_WAITALL))
        #expect(bytes == [1, 2, 3])
    }

    @Test func aRefusedConnectionEndsWithoutADescriptor() throws {
        let (descriptor, port) = try listener()
        close(descriptor)
        var link = GatewayLink()
        do {
            try link.connect(to: SocketAddress.resolve("127.0.0.1", port))
            let isConnected = settle(&link)
            #expect(!isConnected)
            link.close()
        } catch {
            #expect("\(error)".contains("refused"))
        }
        let isOpen = link.isOpen
        #expect(!isOpen)
    }
}

struct GatewayTimeTests {
    private let now: Int64 = 1_795_000_000_000_000_000

    @Test func answersInSecondsAndMillisecondsTellTheOffset() {
        var time = GatewayTime()
        time.take(1_795_000_003, perSecond: 1, realNanos: now, bootNanos: 0)
        #expect(time.offsetNanos == 3_000_000_000)
        time.take(1_794_999_999_500, perSecond: 1_000, realNanos: now, bootNanos: 0)
        #expect(time.offsetNanos == -500_000_000)
    }

    @Test(arguments: [
        (Int64.min, Int64(1)), (-1, 1), (9_223_372_037, 1), (-1, 1_000), (9_223_372_036_855, 1_000), (.max, 1_000),
    ]) func aTimeThatIsNoneIsPassedOver(answer: Int64, perSecond: Int64) {
        var time = GatewayTime()
        time.take(now / 1_000_000_000, perSecond: 1, realNanos: now, bootNanos: 0)
        time.take(answer, perSecond: perSecond, realNanos: now, bootNanos: 0)
        #expect(time.offsetNanos == 0)
    }

    private let second: Int64 = 1_000_000_000

    /// The offset after questions and answers; times in seconds, all clocks being one.
    private func offset(_ steps: [(asked: Bool, at: Int64, told: Int64)]) -> Int64? {
        var time = GatewayTime()
        for step in steps {
            if step.asked {
                time.noteAsked(bootNanos: step.at * second)
            } else {
                time.answer(
                    1_795_000_000 + step.told, perSecond: 1, realNanos: now + step.at * second,
                    bootNanos: step.at * second)
            }
        }
        return time.offsetNanos.map { $0 / second }
    }

    @Test func anAnswerThatWasLongOnItsWayTellsNoTime() {
        let asked = (asked: true, at: Int64(100), told: Int64(0))
        #expect(offset([asked, (false, 101, 103)]) == 2)
        #expect(offset([asked, (false, 110, 110)]) == 0)
        // The process was stopped for five minutes.
        #expect(offset([asked, (false, 400, 100)]) == nil)
        #expect(offset([asked, (false, 101, 101), (true, 110, 0), (false, 400, 110)]) == 0)
        #expect(offset([asked, (false, 400, 100), (true, 410, 0), (false, 411, 411)]) == 0)
        // It asked again before it read what had come.
        #expect(offset([asked, (true, 400, 0), (false, 400, 100)]) == nil)
        #expect(offset([asked, (true, 104, 0), (true, 400, 0), (false, 400, 100), (false, 400, 104)]) == nil)
        #expect(offset([(false, 101, 101)]) == nil, "nobody has asked")
    }

    @Test func aGatewayThatLeavesAQuestionOutIsBelievedAllTheSame() {
        let asks: [(asked: Bool, at: Int64, told: Int64)] = [
            (true, 100, 0), (true, 200, 0), (false, 201, 206), (true, 300, 0),
        ]
        #expect(offset(asks) == nil)
        #expect(offset(asks + [(false, 301, 306)]) == 5, "two of them agree")
    }
}
