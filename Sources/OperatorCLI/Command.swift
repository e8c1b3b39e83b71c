internal import ServiceKit

/// One command of `ib-stream`.
struct Command: Sendable {
    let name: String
    let flags: FlagSet
    /// Returns the exit status. Nil: not built yet.
    let run: (@Sendable (OperatorContext) throws(ProgramError) -> Int32)?

    /// A command with the flags of every command (`--config`, `--root`,
    /// `--simulate`, `--help`, `--version`) and its own.
    ///
    /// - usage: behind `ib-stream NAME` in the help, such as `STREAM|FILE [FLAGS]`.
    /// - words: how many words that are no flags it takes.
    init(
        _ name: String, usage: String = "[FLAGS]", _ summary: String, flags: [FlagSet.Flag] = [],
        words: ClosedRange<Int> = 0...0, examples: [(line: String, meaning: String)],
        run: (@Sendable (OperatorContext) throws(ProgramError) -> Int32)?
    ) {
        self.name = name
        self.flags = FlagSet(
            program: "ib-stream \(name)", usage: usage, summary: summary,
            flags: flags + [FlagSet.simulate] + FlagSet.common, examples: examples, words: words)
        self.run = run
    }

    /// A command that a later version brings: it is known, has a help, and takes any words.
    static func notBuilt(_ name: String, usage: String = "[FLAGS]", _ summary: String) -> Command {
        Command(
            name, usage: usage, summary, words: 0...1000,
            examples: [("ib-stream \(name)", "not built yet: it comes with a later version")], run: nil)
    }
}
