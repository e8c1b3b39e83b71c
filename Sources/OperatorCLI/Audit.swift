internal import ServiceKit
internal import TickStore
internal import Ticks

/// The answer to the question whether everything that should be here, is here and sound: a verdict, and a sentence for
/// each thing that is against it.
struct Audit {
    let selection: GapSelection
    let state: String
    let report: VerifyReport
    let account: RecordingAccount
    let expected: ExpectedStreams
    /// Gaps of the time that is asked for, healed ones too.
    let gaps: [GapRow]
    let absences: [Absence]
    /// When an ordinary stop ended the recording, where no time was asked for and
    /// nothing runs: it is looked at up to then.
    let stoppedNanos: Int64?
    /// Past hours that are in the log still.
    let unsealedHours: [Int64]
    /// Records that are numbered and not durable yet; nil: nobody tells.
    let notDurable: Int64?
    let hours: [AuditHour]
    /// Sentences; none: all is there and sound.
    let reasons: [String]

    /// What the connector writes into every stream at an ordinary stop.
    private static let stopped = "stopped"

    init(
        selection: GapSelection, paths: Paths, report: VerifyReport, account: RecordingAccount,
        expected: ExpectedStreams, durability: Durability, heals: ConnectorHeals?, unsealedHours: [Int64]
    ) {
        let nowNanos = realNanos()
        self.selection = selection
        self.report = report
        self.account = account
        self.expected = expected
        self.unsealedHours = unsealedHours
        state = paths.state
        let lags = expected.entries.values.compactMap(\.lag)
        let known = durability.records > 0 ? Int64(clamping: durability.records) : nil
        notDurable = lags.isEmpty ? known : lags.reduce(0, +)
        let rows = selection.withEstimates(selection.rows(account, expected, paths), heals)
        // A stop excuses what comes behind it only if nothing was published since.
        let endsWithStop =
            !expected.isRunning && durability.absences.isEmpty && selection.fromNanos == nil && selection.toNanos == nil
        func isEnd(_ gap: Gap) -> Bool { endsWithStop && gap.state == .open && gap.cause == Audit.stopped }
        gaps = rows.filter { !isEnd($0.gap) }
        stoppedNanos = rows.filter { isEnd($0.gap) }.map(\.gap.openedRecvNanos).max()
        var finder = Absences(
            report: report, account: account, expected: expected, durability: durability, selection: selection,
            nowNanos: stoppedNanos ?? nowNanos, hours: OpeningHours(paths))
        absences = finder.find()
        hours = AuditHour.table(
            account, expected, selection, gaps.map(\.gap), absences, endNanos: stoppedNanos, nowNanos: nowNanos,
            OpeningHours(paths))
        reasons = Audit.reasons(report, expected, gaps, absences, state)
    }

    // MARK: - Sentences

    private static func reasons(
        _ report: VerifyReport, _ expected: ExpectedStreams, _ gaps: [GapRow], _ absences: [Absence], _ state: String
    ) -> [String] {
        var reasons: [String] = []
        if report.records == 0 {
            reasons.append("nothing is recorded in \(state)")
        } else if report.ticks == 0 {
            reasons.append("no tick is recorded in \(state)")
        }
        // A recorder that does not run beside a connector is among the absences.
        for name in ["ib-connector", "ib-watchdog"] where expected.isRunning && !expected.running.contains(name) {
            reasons.append("\(name) does not run, although \(expected.running.joined(separator: " and ")) does")
        }
        if let silence = expected.silence { reasons.append(silence) }
        for absence in absences { reasons.append(sentence(absence)) }
        let listed = absences.count { $0.state == .missing }
        let missing = report.streams.values.reduce(0) { $0 + $1.missingRanges }
        if listed >= VerifyReport.maxListed { reasons.append("\(missing) ranges of keys are missing in all") }
        for state in GapState.allCases where state != .healed {
            let these = gaps.filter { $0.gap.state == state }
            if !these.isEmpty { reasons.append(sentence(these.map(\.gap), state)) }
        }
        for (stream, entry) in expected.entries.sorted(by: { $0.key < $1.key }) where entry.required {
            if let state = entry.state, AuditHour.isDown(state), !absences.contains(where: { $0.stream == stream }) {
                reasons.append("\(stream) is not recorded now: \(expected.word(stream) ?? state)")
            }
        }
        return reasons
    }

    private static func sentence(_ absence: Absence) -> String {
        let stream = absence.stream?.description ?? ""
        switch absence.state {
        case .neverRecorded: return "\(stream) has no tick: \(absence.cause)"
        case .notRecorded: return "\(stream) is not there for all of the time: \(absence.cause)"
        case .missing: return "\(stream): \(absence.cause)"
        case .damaged: return "damaged: \(absence.cause)"
        case .notDurable: return absence.stream == nil ? absence.cause : "\(stream): \(absence.cause)"
        }
    }

    private static func sentence(_ gaps: [Gap], _ state: GapState) -> String {
        let what =
            switch state {
            case .open: "still open"
            case .pending: "to be healed yet"
            case .partly: "healed in part, as far as history went"
            case .subset: "healed from a history with fewer kinds of trades"
            case .edgeUnreconciled: "not healed: history does not fit to what is recorded"
            case .noHistory: "not to be healed: there is no history"
            case .healed: "healed"
            }
        var causes: [String] = []
        for gap in gaps where !causes.contains(gap.cause) && causes.count < 3 { causes.append(gap.cause) }
        let length = gaps.allSatisfy(\.isClosed) ? " (\(GapTable.duration(AuditTotals.nanos(gaps))))" : ""
        return "\(gaps.count) gap\(gaps.count == 1 ? "" : "s") \(what)\(length): \(causes.joined(separator: "; "))"
    }
}

/// Gaps in figures.
struct AuditTotals {
    let counts: [(state: GapState, count: Int, nanos: Int64)]
    let healedTicks: Int
    /// Gaps with keys that the recorder wrote down as lost, and how many keys at most.
    let lostRanges: Int
    let lostKeys: UInt64
    /// How many keys those have of which that can be said, and how many reach to the end of a run, which nobody knows.
    let countedLostKeys: UInt64
    let lostEnds: Int

    init(_ gaps: [Gap]) {
        counts = GapState.allCases.map { state in
            let these = gaps.filter { $0.state == state }
            return (state, these.count, AuditTotals.nanos(these))
        }
        healedTicks = gaps.reduce(0) { $0 + $1.healedTicks }
        let lost = gaps.compactMap(\.lostKeys)
        lostRanges = lost.count
        let counted = lost.compactMap { TickKey.count($0.lowerBound, $0.upperBound) }
        countedLostKeys = counted.reduce(0, &+)
        lostEnds = lost.count - counted.count
        lostKeys = lost.reduce(0) { sum, keys in
            let isOneEpoch = keys.lowerBound.epoch == keys.upperBound.epoch
            return sum &+ (isOneEpoch ? keys.upperBound.rawValue - keys.lowerBound.rawValue + 1 : 0)
        }
    }

    /// How long gaps are together, as far as their ends are known.
    static func nanos(_ gaps: [Gap]) -> Int64 {
        gaps.reduce(0) { sum, gap in
            guard let from = gap.fromNanos, let to = gap.toNanos, to > from else { return sum }
            return sum.addingReportingOverflow(to.subtractingReportingOverflow(from).partialValue).partialValue
        }
    }
}
