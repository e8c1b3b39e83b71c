import Foundation
import JSON
import Testing
import Ticks

@testable import Connector
@testable import Messaging
@testable import ServiceKit

@Suite struct EpochStoreTests {
    @Test func anEpochIsTheClockOrOneAboveAllThatIsKnown() {
        let now: Int64 = 1_795_000_000
        func choose(_ known: Int64, _ now: Int64, witnessed: Bool = true) -> Int64? {
            let choice = EpochStore.choose(known: UInt32(known), nowSeconds: now, isWitnessed: witnessed)
            #expect(choice?.doubt == nil)
            return (choice?.epoch).map { Int64($0) }
        }
        #expect(choose(0, now) == now)
        #expect(choose(now, now) == now + 1)
        // The clock was set back, and somebody knows of a later epoch.
        #expect(choose(now + 5_000, now) == now + 5_001)
        #expect(choose(now + 5_001, -1) == now + 5_002)
        #expect(choose(now, now + 86_400) == now + 86_400)
        #expect(choose(Int64(UInt32.max), now) == nil)
        // Nobody but the clock knows anything: a predecessor may have begun in this very second.
        #expect(choose(0, now, witnessed: false) == now + 1)
        #expect(choose(now + 9, now, witnessed: false) == now + 10)
    }

    /// Ten seconds in the year 2040 must not use up the numbers of fourteen years.
    @Test(
        arguments: [86_401, 420_000_000, 2_400_000_000, 2_499_967_295, 400_000_000_000, .max - 1_795_000_000] as [Int64]
    )
    func aClockFarBeyondAllThatIsKnownIsNotBelieved(ahead: Int64) {
        let known: UInt32 = 1_795_000_000
        let choice = EpochStore.choose(known: known, nowSeconds: Int64(known) + ahead, isWitnessed: true)
        #expect(choice?.epoch == known + 1)
        #expect(choice?.doubt != nil)
    }

    /// After days of running or of standing still: a gateway's time in the journal
    /// vouches for a clock that agrees with it.
    @Test func aGatewaysTimeVouchesForTheClock() {
        let known: UInt32 = 1_795_000_000
        let now = Int64(known) + 30 * 86_400
        func choose(_ vouched: Int64?, _ now: Int64 = now) -> EpochStore.Choice? {
            EpochStore.choose(known: known, vouchedSeconds: vouched, nowSeconds: now, isWitnessed: true)
        }
        #expect(choose(now - 3_600) == EpochStore.Choice(epoch: UInt32(now), doubt: nil))
        #expect(choose(nil)?.epoch == known + 1)
        #expect(choose(now - 86_401)?.epoch == known + 1)
        #expect(choose(5)?.epoch == known + 1)
        // Nobody's word makes an epoch of a year that 32 bits hardly hold.
        #expect(choose(4_102_444_800, 4_102_444_800)?.epoch == known + 1)
    }

    /// The first start of all, with a clock that nothing speaks against, and with one that can't be right.
    @Test func aFirstStartNeedsAnEpochWhateverTheClockShows() {
        func first(_ now: Int64) -> EpochStore.Choice? {
            EpochStore.choose(known: 0, nowSeconds: now, isWitnessed: true)
        }
        #expect(first(2_208_988_800) == EpochStore.Choice(epoch: 2_208_988_800, doubt: nil))
        for now in [-5, 0, 1_000, 4_102_444_800, 4_294_967_295, 4_294_967_296, 9_000_000_000] as [Int64] {
            let choice = first(now)
            #expect(choice?.doubt != nil)
            #expect((1_577_836_800...1_594_614_015).contains(choice?.epoch ?? 0))
        }
        // Still one that rises with the clock: wiped twice, no number comes again.
        #expect(first(1_001)?.epoch == (first(1_000)?.epoch ?? 0) + 1)
        #expect(EpochStore.choose(known: .max - 1, nowSeconds: 0, isWitnessed: true)?.epoch == .max)
    }

    @Test func anEpochThatIsWrittenIsRead() throws {
        let directory = try TemporaryDirectory()
        let store = EpochStore(directory: directory.path)
        #expect(store.read() == nil)
        try store.write(1_000)
        #expect(try directory.text("epoch") == "1000\n")
        #expect(store.read() == 1_000)
    }

    @Test(arguments: ["", "abc\n", "-1\n", "99999999999\n", String(repeating: "7", count: 500)])
    func aDamagedFileCountsAsNone(text: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("epoch", text)
        let store = EpochStore(directory: directory.path)
        #expect(store.read() == nil)
        try store.write(42)
        #expect(try directory.text("epoch") == "42\n")
    }

    /// The recorder's disk is full: a new file can't be made beside the old one, but recording goes on.
    @Test func withoutRoomForANewFileTheOldOneIsWrittenOver() throws {
        let directory = try TemporaryDirectory()
        try directory.write("epoch", "1000\n")
        // Stands in the way of every new file.
        try FileManager.default.createDirectory(
            atPath: directory.path + "/epoch.new", withIntermediateDirectories: false)
        let store = EpochStore(directory: directory.path)
        try store.write(2_000)
        #expect(try directory.text("epoch") == "2000\n")
        // Another length would leave a mixture behind.
        #expect(throws: (any Error).self) { try store.write(10_000) }
        #expect(try directory.text("epoch") == "2000\n")
    }
}

@Suite struct StateKeeperTests {
    /// A keeper with its thread; ended with the test.
    private func withKeeper(_ state: String, _ body: (StateKeeper) throws -> Void) throws {
        let paths = Paths(state: state, runtime: "/nowhere")
        let keeper = try StateKeeper(paths: paths, contracts: [7, 8], lockNote: LockNote(path: state + "/x.lock"))
        let thread = try SupervisedThread("state", fault: FirstFault()) { keeper.run($0) }
        defer { thread.stop() }
        try body(keeper)
    }

    private func text(_ directory: TemporaryDirectory, _ name: String) -> String? {
        try? String(contentsOfFile: directory.path + "/" + name, encoding: .utf8)
    }

    private func soon() -> Int64 { bootNanos() + 60_000_000_000 }

    @Test func whatTheStateDirectoryHoldsIsFound() throws {
        let directory = try TemporaryDirectory()
        try directory.write("epoch", "1000\n")
        try FileManager.default.createDirectory(
            atPath: directory.path + "/definitions", withIntermediateDirectories: false)
        try directory.write("definitions/7.json", #"{"exchange":"CME"}"#)
        try directory.write("definitions/8.json", "{not json")
        try withKeeper(directory.path) { keeper in
            #expect(keeper.found(until: soon())?.epoch == 1_000)
            #expect(keeper.write(epoch: 1_005, until: soon()))
            #expect(text(directory, "epoch") == "1005\n")
            let definitions = keeper.takeDefinitions()
            #expect(definitions.mapValues { $0?["exchange"]?.string } == [7: "CME", 8: nil])
            #expect(keeper.takeDefinitions().isEmpty)
            // What is asked for later is read too, each venue from its own file.
            try directory.write("definitions/7@1.json", #"{"exchange":"OVERNIGHT"}"#)
            for contract in [ContractID(conId: 7, source: 1), 9] { keeper.want(definitionOf: contract) }
            var more: [ContractID: JSONValue?] = [:]
            let deadline = Date() + 60
            while more.count < 2, Date() < deadline {
                more.merge(keeper.takeDefinitions()) { _, new in new }
                usleep(2_000)
            }
            #expect(
                more.mapValues { $0?["exchange"]?.string } == [ContractID(conId: 7, source: 1): "OVERNIGHT", 9: nil])
            // A smaller one is no news.
            #expect(keeper.write(epoch: 1_004, until: soon()))
            #expect(text(directory, "epoch") == "1005\n")
        }
    }

    @Test func aStateDirectoryThatTakesNothingIsSaidAtOnceAndTriedAgain() throws {
        let directory = try TemporaryDirectory()
        let state = directory.path + "/state"
        try withKeeper(state) { keeper in
            #expect(keeper.found(until: soon()) != nil)
            #expect(!keeper.write(epoch: 1_000, until: soon()))
            #expect(keeper.fault?.contains("epoch") == true)
            try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: false)
            let deadline = Date() + 60
            while keeper.fault != nil, Date() < deadline { usleep(2_000) }
            #expect(keeper.fault == nil)
            #expect(text(directory, "state/epoch") == "1000\n")
        }
    }

    /// The disk does not answer: the session thread goes on.
    @Test func nobodyWaitsLongerThanAsked() throws {
        let keeper = try StateKeeper(
            paths: Paths(state: "/s", runtime: "/r"), contracts: [], lockNote: LockNote(path: "/s/x.lock"))
        let began = bootNanos()
        #expect(keeper.found(until: began + 10_000_000) == nil)
        #expect(!keeper.write(epoch: 5, until: bootNanos() + 10_000_000))
        #expect(!keeper.write(epoch: 6, until: 0))
        #expect(bootNanos() - began < 30_000_000_000 && keeper.takeDefinitions().isEmpty)
    }
}

@Suite struct NameResolverTests {
    @Test func aNumberNeedsNobodyToAsk() {
        #expect(SocketAddress.literal("127.0.0.1", 4002)?.count == 1)
        #expect(SocketAddress.literal("::1", 4002)?.count == 1)
        #expect(SocketAddress.literal("localhost", 4002) == nil)
    }

    @Test func aNameIsAnsweredByTheOtherThreadOnce() throws {
        let resolver = try NameResolver()
        let thread = try SupervisedThread("resolve", fault: FirstFault()) { resolver.run($0) }
        defer { thread.stop() }
        for (host, isKnown) in [("localhost", true), ("no such name", false)] {
            resolver.ask(host, 4002)
            resolver.ask(host, 4002)
            var answer: Result<[SocketAddress], LinkError>?
            while answer == nil {
                var poller = pollfd(fd: resolver.forSession.descriptor, events: Int16(POLLIN), revents: 0)
                #expect(poll(&poller, 1, 60_000) == 1)
                answer = resolver.takeAnswer()
            }
            switch answer {
            case .success(let found): #expect(isKnown && !found.isEmpty)
            case .failure(let error): #expect(!isKnown && error.description.contains(host))
            case nil: break
            }
            #expect(resolver.takeAnswer() == nil)
        }
        resolver.ask("localhost", 1)
        resolver.forget()
        #expect(resolver.takeAnswer() == nil)
    }
}

@Suite struct RestartGaps {
    /// A restart of the machine empties the journal; what was missed meanwhile is a gap all the same.
    @Test func anEmptyJournalBesideAnEpochIsAnInterruptionOfAllStreams() throws {
        #expect(recordedBefore(journal: [], configured: [quotes, trades], ranBefore: false).isEmpty)
        #expect(recordedBefore(journal: [], configured: [quotes, trades], ranBefore: true) == [quotes, trades])
        #expect(recordedBefore(journal: [trades], configured: [quotes, trades], ranBefore: true) == [trades])
    }
}

@Suite struct DefinitionStoreTests {
    private let second: Int64 = 1_000_000_000
    private func texts(_ due: [(Topic, [UInt8])]) -> [String] {
        due.map { "\($0.0.description) \(String(decoding: $0.1, as: UTF8.self))" }.sorted()
    }

    @Test func aSubscriberGetsADefinitionAtMostOnceASecond() {
        var store = DefinitionStore()
        store.put(["a": 1], contract: 7, nowNanos: 0)
        #expect(texts(store.takeDue(nowNanos: 0)) == [#"definition.7 {"a":1}"#])
        func subscribe(_ prefix: String, at now: Int64) {
            Array(prefix.utf8).withUnsafeBytes { store.subscribed(to: $0, nowNanos: now) }
        }
        subscribe("definition.7", at: second / 2)
        subscribe("", at: second / 2)
        subscribe("definition.8", at: second / 2)
        subscribe("tick.", at: second / 2)
        #expect(store.takeDue(nowNanos: second - 1).isEmpty)
        #expect(store.takeDue(nowNanos: second).count == 1)
        #expect(store.takeDue(nowNanos: 2 * second).isEmpty)
        subscribe("definition.", at: 3 * second)
        #expect(store.takeDue(nowNanos: 3 * second).count == 1)
    }

    @Test func whatWasKeptIsSentOnlyWhenSomebodyAsksAndNeverInPlaceOfNews() {
        var store = DefinitionStore()
        store.put(["a": 1], contract: 7, nowNanos: 0)
        store.add(kept: ["a": 0], contract: 7)
        store.add(kept: ["b": 2], contract: 8)
        #expect(store[7]?["a"]?.integer == 1 && store.contracts == [7, 8])
        #expect(texts(store.takeDue(nowNanos: 0)) == [#"definition.7 {"a":1}"#])
        Array("definition.8".utf8).withUnsafeBytes { store.subscribed(to: $0, nowNanos: 0) }
        #expect(texts(store.takeDue(nowNanos: 0)) == [#"definition.8 {"b":2}"#])
    }
}
