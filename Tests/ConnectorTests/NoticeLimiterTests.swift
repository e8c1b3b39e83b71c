import Testing
import Ticks

@testable import Connector

@Suite struct NoticeLimiterTests {
    private let second: Int64 = 1_000_000_000
    private let stream = StreamID(conId: 265_598, kind: .last)

    private func notice(_ code: Int32, _ text: String, _ stream: StreamID? = nil) -> NoticeLimiter.Notice {
        NoticeLimiter.Notice(code: code, text: text, stream: stream)
    }

    @Test func theSameWithinAMinuteIsCountedAndSaidAfterIt() {
        var limiter = NoticeLimiter()
        var told = 0
        for index in 0..<100_000 where limiter.tells(notice(2_103, "broken:usfarm"), nowNanos: Int64(index)) {
            told += 1
        }
        #expect(told == 1)
        let early = limiter.takeEnded(nowNanos: 59 * second)
        #expect(early.isEmpty)
        let ended = limiter.takeEnded(nowNanos: 60 * second)
        #expect(ended == [NoticeLimiter.Repeats(notice: notice(2_103, "broken:usfarm"), times: 99_999)])
        let again = limiter.tells(notice(2_103, "broken:usfarm"), nowNanos: 61 * second)
        #expect(again, "the next minute begins with being told")
        let quiet = limiter.takeEnded(nowNanos: 200 * second)
        #expect(quiet.isEmpty, "what was told once has no repeats")
    }

    @Test func anotherCodeTextOrStreamIsNotTheSame() {
        var limiter = NoticeLimiter()
        let all = [
            notice(2_103, "a"), notice(2_104, "a"), notice(2_103, "b"), notice(2_103, "a", stream),
        ]
        let told = all.map { limiter.tells($0, nowNanos: 0) }
        #expect(told == [true, true, true, true])
    }

    @Test func differentOnesWithoutEndAreBoundedToo() {
        var limiter = NoticeLimiter()
        var told = 0
        for index in 0..<10_000 where limiter.tells(notice(1, "number \(index)"), nowNanos: 0) { told += 1 }
        #expect(told == NoticeLimiter.capacity)
        let ended = limiter.takeEnded(nowNanos: 60 * second)
        #expect(ended == [NoticeLimiter.Repeats(notice: nil, times: 10_000 - NoticeLimiter.capacity)])
    }
}
