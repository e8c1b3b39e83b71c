internal import CBuild
internal import Ticks

/// What `--version` prints.
public enum Version {
    public static let text = "0.1.0"

    /// The commit that the program was built from; nil when nobody said so.
    public static var commit: String? {
        let text = String(cString: cbuild_commit())
        return text.isEmpty ? nil : text
    }

    /// All lines of `--version`; the first is the program's name and version.
    public static func lines(of program: String) -> String { lines(of: program, commit: commit) }

    static func lines(of program: String, commit: String?) -> String {
        """
        \(program) \(text)
        commit: \(commitText(commit))
        formats: record \(FormatVersion.record), blocks \(FormatVersion.block), slots \(FormatVersion.slots), \
        newest part \(FormatVersion.newestPart), segments \(FormatVersion.segment), footers \(FormatVersion.footer), \
        list of sealed files \(FormatVersion.sealedList)
        protocols: feed \(FormatVersion.feed), JSON \(FormatVersion.json)

        """
    }

    private static func commitText(_ commit: String?) -> String {
        guard let commit else { return "not known, built without git or not by make" }
        return commit.last == "+" ? "\(commit.dropLast()) with changes that are not committed" : commit
    }
}
