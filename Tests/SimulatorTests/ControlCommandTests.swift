import ServiceKit
import Testing
import Ticks

@testable import Simulator

@Suite struct ControlCommandTests {
    @Test(
        arguments: [
            ("drop", .drop(reset: false)), ("drop reset", .drop(reset: true)), ("stall", .stall), ("resume", .resume),
            ("refuse", .refuse), ("accept", .accept), ("status", .status),
            ("error 1100", .error(code: 1_100, text: nil)),
            ("error 2103 usfuture", .error(code: 2_103, text: "usfuture")),
            ("error 354 Not  subscribed ", .error(code: 354, text: "Not  subscribed")),
            ("mute 711280073.bid_ask", .mute(.one(StreamID(conId: 711_280_073, kind: .bidAsk)))),
            ("unmute all", .unmute(.all)), ("raw 00 0a ff", .raw([0, 10, 255])), ("fragment 1", .fragment(1)),
            ("silence all", .silence(.all)),
            ("history ok", .history(.none)), ("history delay 4", .history(.delayed(seconds: 4))),
            ("history notice 2188 Up to", .history(.notice(code: 2_188, text: "Up to"))),
            ("history trades all", .history(.trades(.all))), ("history trades unmarked", .history(.trades(.unmarked))),
            ("history pages again", .history(.pages(repeated: true))),
            ("history pages once", .history(.pages(repeated: false))), ("history seam 40", .history(.seam(ticks: 40))),
            ("history day 1795752902", .history(.day(end: 1_795_752_902))),
            (
                "offset 620731015.all_last 445860400",
                .offset(StreamID(conId: 620_731_015, kind: .allLast), units: 445_860_400_000_000_000, always: false)
            ),
            (
                "offset 620731015.bid_ask -0.25 always",
                .offset(StreamID(conId: 620_731_015, kind: .bidAsk), units: -250_000_000, always: true)
            ),
        ] as [(String, ControlCommand)]) func linesAreRead(line: String, command: ControlCommand) throws
    {
        #expect(try ControlCommand(parsing: line) == command)
    }

    @Test(arguments: [
        "", "dorp", "drop it", "stall now", "error", "error x", "error -1", "mute", "mute MNQ", "raw", "raw 0",
        "raw zz",
        "fragment", "fragment -1", "silence", "silence ES", "offset",
        "offset 620731015.bid_ask", "offset 620731015.bid_ask x",
        "offset 620731015.level1 1", "offset 620731015.bid_ask 1 sometimes", "offset ES 1", "offset all 1",
        "offset 620731015.bid_ask 9223372036", "history", "history trades", "history trades some", "history pages",
        "history pages twice", "history seam", "history seam -1", "history seam 1001", "history notice",
        "history day", "history day -1",
    ]) func otherLinesAreErrors(line: String) {
        #expect(throws: ControlError.self) { try ControlCommand(parsing: line) }
    }

    @Test func farmsAreFoundInNotices() {
        #expect(Faults.farm(ofText: "Market data farm connection is broken:usfarm.nj") == "usfarm.nj")
        #expect(Faults.farm(ofText: Notice.text(ofCode: 2_108)) == "usfarm")
        #expect(Faults.farm(ofText: "nothing") == nil)
        #expect(
            Notice.text(ofCode: 2_107, farm: "euhmds")
                == "HMDS data farm connection is inactive but should be available upon demand.euhmds")
    }

    @Test func optionsAreReadAndBounded() throws {
        func options(_ arguments: String...) throws -> Options { try Options(Options.flags.parse(arguments)) }
        #expect(try options() == Options())
        let some = try options("--port", "0", "--rate=20000", "--seed", "7", "--max-version", "178", "--enforce")
        #expect(some.port == 0 && some.rate == 20_000 && some.seed == 7 && some.maxVersion == 178 && some.enforce)
        let replay = try options("--replay", "x.csv", "--con-id", "5", "--speed", "0")
        #expect(replay.replayPath == "x.csv" && replay.replayConId == 5 && replay.replaySpeed == 0)
        for bad in [
            ["--port", "65536"], ["--rate", "0"], ["--max-version", "201"], ["--max-version", "156"], ["--speed", "1"],
            ["--replay", "x", "--speed", "nan"], ["--seed", "-1"], ["--bogus"], ["word"],
        ] {
            do {
                _ = try Options(Options.flags.parse(bad))
                Issue.record("accepted \(bad)")
            } catch { #expect(error.status == .usage) }
        }
    }
}
