import Testing
import Ticks

@testable import TickStore

private func part(_ hour: Int64, _ number: UInt32, bytes: UInt64 = 1000) -> SealPart {
    SealPart(name: PartName(hour: hour, number: number), bytes: bytes)
}

private func hours(
    _ parts: [SealPart], kept: Set<PartName> = [], _ reach: SealPlan.Reach = .pastHours, now: Int64
) -> [[UInt32]] {
    SealPlan.hours(parts: parts, kept: kept, reach: reach, nowHour: now).map { $0.parts.map(\.name.number) }
}

@Suite struct SealPlanTests {
    @Test func pastHoursAreSealedFromTheOldestOn() {
        let parts = [part(12, 5), part(10, 1), part(11, 4), part(10, 2), part(11, 3)]
        #expect(hours(parts, now: 12) == [[1, 2], [3, 4]])
        #expect(SealPlan.hours(parts: parts, reach: .pastHours, nowHour: 12).map(\.hour) == [10, 11])
        #expect(SealPlan.hours(parts: parts, reach: .pastHours, nowHour: 12)[0].bytes == 2000)
    }

    @Test func theNewestPartIsNeverSealed() {
        #expect(hours([part(10, 1)], now: 50).isEmpty)
        #expect(hours([part(10, 1)], .beforeNewestPart, now: 50).isEmpty)
        #expect(hours([], now: 50).isEmpty)
        // After a long stop, before the recorder has begun its own part, or while the disk takes none.
        #expect(hours([part(10, 1), part(10, 2)], now: 50).isEmpty)
    }

    @Test func thePresentHourIsSealedOnlyOnAWish() {
        let parts = [part(10, 1), part(11, 2), part(11, 3), part(11, 4)]
        #expect(hours(parts, now: 11) == [[1]])
        #expect(hours(parts, .beforeNewestPart, now: 11) == [[1], [2, 3]])
    }

    @Test func partsThatAreKeptAreNotSealedAgain() {
        let parts = [part(10, 1), part(10, 2), part(11, 3)]
        #expect(hours(parts, kept: [parts[0].name], now: 11) == [[2]])
        #expect(hours(parts, kept: [parts[0].name, parts[1].name], now: 11).isEmpty)
    }

    /// The clock was in the year 2040 for a while, or a year back: parts are in the order of their numbers.
    @Test func partsOfAWrongHourAreSealedByTheirOrder() {
        func all(_ hours: [Int64], sealed: Int64? = nil) -> [Int64] {
            SealPlan.hours(of: hours.enumerated().map { PartName(hour: $1, number: UInt32($0)) }, notBefore: sealed)
        }
        #expect(all([10, 11, 900, 901, 11, 12]) == [10, 11, 11, 11, 11, 12])
        #expect(all([900, 900, 12]) == [12, 12, 12])
        #expect(all([10, 11, 10, 11, 12]) == [10, 10, 10, 11, 12])
        // Nothing is sealed in front of what is sealed already.
        #expect(all([10, 11, 12, 13], sealed: 12) == [12, 12, 12, 13])
        #expect(all([10, 11, 12, 13], sealed: 900) == [900, 900, 900, 900])
        #expect(all([]).isEmpty)
        let parts = [part(10, 1), part(900, 2), part(900, 3), part(11, 4), part(12, 5)]
        let sealed = SealPlan.hours(parts: parts, reach: .pastHours, nowHour: 12)
        #expect(sealed.map(\.hour) == [10, 11])
        #expect(sealed.map { $0.parts.map(\.name.number) } == [[1], [2, 3, 4]])
        // While the clock is still wrong, or nothing newer is there, it waits.
        #expect(hours(Array(parts.prefix(3)), now: 900) == [[1]])
    }

    @Test func whatWasSealedAndKeptStaysInItsHour() {
        let parts = [part(10, 1), part(11, 2), part(12, 3)]
        let hours = SealPlan.hours(
            parts: parts, reach: .pastHours, sealedHour: 11, settled: [parts[0].name], nowHour: 12)
        #expect(hours.map(\.hour) == [10, 11])
    }

    /// The clock was in the year 2099 once, and what it named is sealed: hours never go
    /// back, so this one would not end for decades.
    @Test func aLogAheadOfTheClockIsSealedByItsSize() {
        let half = SealPlan.behindClockBytes / 2
        let parts = [part(900, 1, bytes: half), part(900, 2, bytes: half), part(900, 3)]
        #expect(hours(parts, now: 500) == [[1, 2]])
        #expect(hours([parts[0], parts[2]], now: 500).isEmpty)
        // A clock that was set back by less than an hour: the hour ends soon.
        #expect(hours(parts, now: 899).isEmpty)
        #expect(hours(parts, now: 900).isEmpty)
    }

    @Test func groupsAreFewAndFitTheMemory() {
        func load(_ conId: Int32, _ bytes: Int) -> SealPlan.Load {
            SealPlan.Load(stream: StreamID(conId: conId, kind: .last), memoryBytes: bytes)
        }
        let groups = SealPlan.groups(
            [load(3, 40), load(1, 60), load(2, 40), load(4, 500), load(5, 1)], memoryBytes: 100)
        #expect(groups.map { $0.map(\.conId) } == [[1, 2], [3], [4], [5]])
        #expect(SealPlan.groups([], memoryBytes: 100).isEmpty)
        let many = (1...5_000).map { load(Int32($0), 1 << 20) }
        let packed = SealPlan.groups(many, memoryBytes: 160 << 20)
        #expect(packed.count == 32)
        #expect(packed.joined().count == 5_000)
        #expect(packed.allSatisfy { $0.count <= 160 })
    }
}

@Suite struct RetentionPlanTests {
    private static let hour: Int64 = 3_600_000_000_000

    private func stock(_ hour: Int64, _ bytes: UInt64 = 100, buffer: Int = 24) -> RetentionPlan.Stock {
        RetentionPlan.Stock(hour: hour, bufferHours: buffer, files: 1, bytes: bytes)
    }

    private func plan(
        _ stock: [RetentionPlan.Stock], days: Int? = nil, bytes: Int64? = nil, now: Int64
    ) -> RetentionPlan {
        RetentionPlan(stock: stock, keepDays: days, keepBytes: bytes, nowNanos: now * Self.hour + 1)
    }

    @Test func withoutARuleNothingGoes() {
        #expect(plan([stock(1), stock(2)], now: 1_000_000).removals.isEmpty)
    }

    @Test func hoursOlderThanTheDaysGoOldestFirst() {
        let all = [stock(52), stock(50), stock(51)]
        // 48 whole hours after the end of hour 50, and of hour 51.
        #expect(plan(all, days: 2, now: 98).removals.isEmpty)
        #expect(plan(all, days: 2, now: 99).removals == [.init(stock: stock(50), rule: .keepDays)])
        #expect(plan(all, days: 2, now: 100).removals.map(\.stock.hour) == [50, 51])
    }

    @Test func bytesGoFromTheOldestUntilTheyFit() {
        let all = (1...10).map { stock(Int64($0), 100) }
        let plan = plan(all, bytes: 750, now: 1000)
        #expect(plan.removals == [1, 2, 3].map { .init(stock: stock($0), rule: .keepBytes) })
        #expect(plan.bytesProtected == 0)
    }

    @Test func bufferHoursAreNeverTouched() {
        let all = [stock(70, buffer: 48), stock(70, buffer: 24), stock(90, buffer: 24), stock(99, buffer: 0)]
        let plan = plan(all, days: 1, bytes: 1, now: 100)
        // Hour 70 ended 29 hours ago, hour 90 nine hours ago.
        #expect(plan.removals.map(\.stock) == [stock(70, buffer: 24), stock(99, buffer: 0)])
        #expect(plan.bytesProtected == 199)
    }

    @Test func aClockThatJumpsAheadDoesNotEmptyTheDisk() {
        let event: Int64 = 1_795_000_000_000_000_000
        let day: Int64 = 86_400_000_000_000
        #expect(RetentionPlan.trustedNow(hostNanos: event + 40_000 * day / 100, newestEventNanos: event) == event + day)
        #expect(RetentionPlan.trustedNow(hostNanos: event + 5, newestEventNanos: event) == event + 5)
        #expect(RetentionPlan.trustedNow(hostNanos: 7, newestEventNanos: nil) == 7)
        #expect(RetentionPlan.trustedNow(hostNanos: 7, newestEventNanos: .max) == 7)
    }
}
