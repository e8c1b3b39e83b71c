import Testing

@testable import Watchdog

@Suite struct ConnectionTableTests {
    private let second: Int64 = 1_000_000_000

    @Test func theOldestMakesRoomAndFreshOnesAreLeftAlone() {
        var table = ConnectionTable()
        for descriptor in 0..<Int32(ConnectionTable.limit) {
            let victim = table.opened(descriptor, isLocal: true, nowNanos: Int64(descriptor))
            #expect(victim == nil)
        }
        let first = table.opened(100, isLocal: true, nowNanos: 1_000)
        let second = table.opened(101, isLocal: true, nowNanos: 1_001)
        #expect(first == 0 && second == 1)
        table.closed(50)
        let third = table.opened(102, isLocal: true, nowNanos: 1_002)
        #expect(third == nil, "one had ended")
    }

    @Test func otherHostsLeaveRoomForThisOne() {
        var table = ConnectionTable()
        for descriptor in 0..<200 as Range<Int32> {
            let victim = table.opened(descriptor, isLocal: false, nowNanos: Int64(descriptor))
            #expect((victim != nil) == (descriptor >= Int32(ConnectionTable.remoteLimit)))
        }
        let reserve = Int32(ConnectionTable.limit - ConnectionTable.remoteLimit)
        for descriptor in 1_000..<(1_000 + reserve) {
            let victim = table.opened(descriptor, isLocal: true, nowNanos: 500)
            #expect(victim == nil)
        }
        let next = table.opened(2_000, isLocal: true, nowNanos: 501)
        #expect(next == 152, "the oldest of another host")
    }

    @Test func aRequestHasItsTimeInAllHoweverBusyItsClientIs() {
        var table = ConnectionTable()
        _ = table.opened(5, isLocal: true, nowNanos: 0)
        _ = table.opened(6, isLocal: true, nowNanos: second)
        let early = table.takeOverdue(nowNanos: 5 * second - 1)
        #expect(early.isEmpty)
        let over = table.takeOverdue(nowNanos: 5 * second)
        #expect(over == [5])
        let again = table.takeOverdue(nowNanos: 5 * second)
        #expect(again.isEmpty)
    }
}
