import TWS
import TickStore
import Ticks

@testable import Connector

/// A quote of a second, told from others by its number; as history or a recording has it.
func quote(_ second: Int64, _ number: Int64) -> HealTick {
    HealTick(
        stored: Tick(
            tsEventNanos: second * 1_000_000_000, kind: .bidAsk, body: TickBody(number, number + 1, 1, 1)))
}

/// The quotes of one second, a letter each.
func quotes(_ letters: String, _ second: Int64 = 100) -> [HealTick] {
    letters.unicodeScalars.map { quote(second, Int64($0.value)) }
}

/// The trades of one second, a letter each; capital ones are unreported, and else like the small ones.
func tradeTicks(_ letters: String, _ second: Int64 = 100, kind: TickKind = .allLast) -> [HealTick] {
    letters.map { letter in
        HealTick(
            stored: Tick(
                tsEventNanos: second * 1_000_000_000, kind: kind, flags: letter.isUppercase ? .unreported : [],
                body: TickBody(Int64(letter.lowercased().unicodeScalars.first?.value ?? 0), 1, 0, 0)))
    }
}

/// The letters of trades.
func tradeLetters(_ ticks: [HealTick]?) -> String? {
    letters(ticks).map { text in
        String(zip(text, ticks ?? []).map { $1.isUnreported ? Character($0.uppercased()) : $0 })
    }
}

/// The letters of quotes, for messages that can be read.
func letters(_ ticks: [HealTick]?) -> String? {
    ticks.map { ticks in
        String(String.UnicodeScalarView(ticks.compactMap { UnicodeScalar(UInt32($0.tick.body.word0)) }))
    }
}

/// A gap of the quotes' stream from the middle of one second to the middle of another.
func gap(
    from: Int64 = 100, through: Int64 = 103, stream: StreamID = StreamID(conId: 7, kind: .bidAsk), key: UInt32 = 50,
    runs: [HealGap.Run] = [],
    state: GapState = .pending
) -> HealGap {
    HealGap(
        stream: stream, key: TickKey(epoch: 1, seq: key),
        before: .init(key: TickKey(epoch: 1, seq: key - 1), second: from, receivedNanos: from * 1_000_000_000),
        after: .init(key: TickKey(epoch: 1, seq: key + 2), second: through, receivedNanos: through * 1_000_000_000),
        from: from, through: through, runs: runs, state: state)
}
