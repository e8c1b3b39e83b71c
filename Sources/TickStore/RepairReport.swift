/// What `Repair` did.
public struct RepairReport: Sendable {
    /// Something that was done to one file.
    public struct Action: Sendable, Equatable {
        public var path: String
        public var what: String
    }

    public var actions: [Action] = []
    /// Files of which nobody knows which keys are lost with them: a segment of which nothing can be read, or the newest part
    /// of the log, damaged at its end (the recorder asks the connector for what is behind the last key that is left).
    public var unknown: [String] = []
    /// Contracts' definitions that are gone, and that nothing has.
    public var lostDefinitions = 0
    /// What verifying the result found.
    public var verified = VerifyReport()

    public init() {}

    /// Keys that went with damaged files: written down now, or by a repair before this one that may have been killed since.
    public var lost: [KeyRange] { verified.lostToDamage }
    /// Such ranges that are not listed.
    public var moreLost: UInt64 { verified.moreLostToDamage }

    /// True when damage has cost nothing and all is sound now.
    public var isWhole: Bool { lost.isEmpty && unknown.isEmpty && lostDefinitions == 0 && verified.isSound }
}
