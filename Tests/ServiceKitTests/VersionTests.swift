import Testing
import Ticks

@testable import ServiceKit

/// What `--version` says.
@Suite struct VersionTests {
    @Test func theCommitIsNamedWithWhatDiffersFromIt() {
        let lines = Version.lines(of: "ib-stream", commit: "0123456789ab+").split(separator: "\n")
        #expect(lines[0] == "ib-stream \(Version.text)")
        #expect(lines[1] == "commit: 0123456789ab with changes that are not committed")
        #expect(Version.lines(of: "x", commit: "0123456789ab").contains("\ncommit: 0123456789ab\n"))
    }

    @Test func aProgramThatWasBuiltWithoutACommitSaysSo() {
        #expect(Version.lines(of: "x", commit: nil).contains("\ncommit: not known, built without git or not by make\n"))
        #expect(Version.commit?.isEmpty != true)
    }

    @Test func formatsAndProtocolsHaveALineEach() {
        let lines = Version.lines(of: "x", commit: nil).split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[2].hasPrefix("formats: record \(FormatVersion.record), blocks \(FormatVersion.block), "))
        #expect(lines[3] == "protocols: feed \(FormatVersion.feed), JSON \(FormatVersion.json)")
    }
}
