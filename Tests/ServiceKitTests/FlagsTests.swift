import Testing

@testable import ServiceKit

@Suite struct FlagsTests {
    private let set = FlagSet(
        program: "ib-test", summary: "Tests.",
        flags: FlagSet.common + [FlagSet.simulate, .init("many", value: "X", "more")],
        examples: [("ib-test --root /x", "an example")], words: 0...1)

    @Test func bothFormsOfValuesAreTaken() throws {
        let parsed = try set.parse(["--root", "/a", "--config=/b", "--simulate", "--many", "1", "--many=2", "word"])
        #expect(parsed.value("root") == "/a" && parsed.value("config") == "/b")
        #expect(parsed.has("simulate") && !parsed.has("help"))
        #expect(parsed.all("many") == ["1", "2"])
        #expect(parsed.words == ["word"])
        #expect(try set.parse(["--", "--root"]).words == ["--root"])
        #expect(try set.parse(["-h"]).has("help"))
    }

    @Test(arguments: [
        (["--rot", "/x"], "unknown flag '--rot': did you mean '--root'?"), (["--root"], "--root needs a value"),
        (["--root="], "--root needs a value"), (["--simulate=1"], "--simulate takes no value"),
        (["a", "b"], "unexpected word 'b'"), (["-x"], "unknown flag '-x'"),
    ]) func mistakesAreUsageErrors(arguments: [String], message: String) {
        do throws(ProgramError) {
            _ = try set.parse(arguments)
            Issue.record("accepted")
        } catch {
            #expect(error.status == .usage)
            #expect(error.description.hasPrefix(message) && error.description.hasSuffix("see 'ib-test --help'"))
        }
    }

    @Test func theHelpNamesFlagsAndExamples() {
        for text in ["Usage: ib-test", "--config FILE", "--root DIR", "--version", "ib-test --root /x", "an example"] {
            #expect(set.help.contains(text))
        }
    }
}
