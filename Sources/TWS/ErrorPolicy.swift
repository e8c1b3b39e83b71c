/// What TWS codes mean for a recorder: a table as data.
///
/// Severity can't be told from the number: many codes are notices, and some arrive with a request's id although the
/// request lives on. Source: docs/tws.md#codes.
public enum ErrorPolicy {
    /// What a code is about.
    public enum Scope: String, Sendable, CaseIterable {
        case connection
        /// A market-data farm, named in the text.
        case marketFarm = "market_farm"
        case historyFarm = "history_farm"
        /// The security-definition farm.
        case definitionFarm = "definition_farm"
        /// The request or subscription whose id comes with the code.
        case request
        /// Accounts, orders and the like: nothing that a recorder asked for.
        case other
    }

    /// How grave it is for a recording.
    public enum Severity: String, Sendable, CaseIterable {
        case info
        case warning
        case error
        case critical
    }

    /// What follows from it.
    public enum Action: String, Sendable, CaseIterable {
        /// Show it; nothing else follows.
        case note
        /// Open a gap on every stream, keep the socket and wait for 1101 or 1102.
        case suspendAll = "suspend_all"
        /// Subscribe everything anew with new ids.
        case resubscribeAll = "resubscribe_all"
        /// See that every stream goes on; resubscribe those that don't.
        case verifyAll = "verify_all"
        /// Wait, then try again: the client id is taken.
        case waitForClientId = "wait_for_client_id"
        /// Connect to the port in the text.
        case changePort = "change_port"
        /// Open a gap on the streams of the farm.
        case suspendFarm = "suspend_farm"
        /// As `suspendFarm` if streams use the farm; normal otherwise.
        case suspendFarmIfUsed = "suspend_farm_if_used"
        /// See that the farm's streams go on; resubscribe those that don't.
        case verifyFarm = "verify_farm"
        case holdHistory = "hold_history"
        case resumeHistory = "resume_history"
        case holdLookups = "hold_lookups"
        case resumeLookups = "resume_lookups"
        /// Send less.
        case slowDown = "slow_down"
        /// Ask again with a new request id.
        case renewRequestId = "renew_request_id"
        /// The request failed until the configuration changes.
        case failForGood = "fail_for_good"
        /// The same, but a 200 near an outage is not to be believed: look the contract up again after it.
        case failUnlessOutage = "fail_unless_outage"
        /// The request failed for lack of a permission: report it, retry rarely.
        case retrySlowly = "retry_slowly"
        /// The request failed; another try may follow soon.
        case retry
        /// No line is free: wait for one.
        case waitForLine = "wait_for_line"
        /// The subscription lives; its data are delayed.
        case delayedData = "delayed_data"
        /// The subscription ended: subscribe again at once.
        case resubscribe
        /// Another session of the user has the data: every stream is silent; report and retry.
        case competingSession = "competing_session"
        /// A valid empty answer.
        case emptyAnswer = "empty_answer"
        /// The request was unknown to TWS: harmless behind a cancel.
        case ignore
        /// A code that the table does not know: show it. The request lives if anything follows, and has failed if
        /// nothing does.
        case doubt
        /// We sent nonsense.
        case bug
        /// Versions or settings don't fit: a person has to act.
        case misconfigured
    }

    /// One row of the table.
    public struct Rule: Sendable, Equatable {
        public let code: Int32
        public let scope: Scope
        public let severity: Severity
        public let action: Action

        init(_ code: Int32, _ scope: Scope, _ severity: Severity, _ action: Action) {
            self.code = code
            self.scope = scope
            self.severity = severity
            self.action = action
        }

        /// True when the request with the code's id has ended and its subscription does not exist any more.
        public var endsRequest: Bool {
            guard scope == .request else { return false }
            switch action {
            case .failForGood, .failUnlessOutage, .retrySlowly, .retry, .waitForLine, .renewRequestId, .resubscribe,
                .emptyAnswer, .bug, .ignore:
                return true
            case .note, .suspendAll, .resubscribeAll, .verifyAll, .waitForClientId, .changePort, .suspendFarm,
                .suspendFarmIfUsed, .verifyFarm, .holdHistory, .resumeHistory, .holdLookups, .resumeLookups, .slowDown,
                .delayedData, .competingSession, .misconfigured, .doubt:
                return false
            }
        }
    }

    /// The rule of a message. Some codes depend on the text; warnings end nothing; unknown codes cast a doubt on their
    /// request, or are notices without one.
    ///
    /// - Parameter isLevel1: the request is a `reqMktData`, where a missing API subscription may only mean delayed
    /// data.
    public static func rule(for error: ErrorMessage, isLevel1: Bool = false) -> Rule {
        if let rule = ruleByText(error) { return rule }
        if isLevel1, error.code == 10089 || error.code == 10091 { return Rule(error.code, .request, .warning, .note) }
        let known = byCode[error.code]
        guard error.requestId >= 0 else { return known ?? Rule(error.code, .other, .warning, .note) }
        // What is known as another matter than a request's stays that.
        if let known, known.scope != .request || known.action == .note { return known }
        if isWarning(error) { return Rule(error.code, .request, .warning, .note) }
        return known ?? Rule(error.code, .request, .error, .doubt)
    }

    /// Codes that TWS gives to warnings, and texts that call themselves one, whatever their code: the request goes on.
    private static func isWarning(_ error: ErrorMessage) -> Bool {
        (2_100...2_199).contains(error.code)
            || error.text.drop { $0 == " " }.prefix(7).lowercased() == "warning"
    }

    /// Codes whose meaning stands in the text.
    private static func ruleByText(_ error: ErrorMessage) -> Rule? {
        let text = error.text.lowercased()
        switch error.code {
        case 322 where text.contains("duplicate ticker id"): return Rule(322, .request, .error, .renewRequestId)
        case 322 where text.contains("max number of tick-by-tick"): return Rule(322, .request, .error, .waitForLine)
        case 162 where text.contains("no data"), 165 where text.contains("no data"):
            return Rule(error.code, .request, .info, .emptyAnswer)
        case 162 where text.contains("pacing"), 420 where text.contains("pacing"):
            return Rule(error.code, .request, .warning, .slowDown)
        case 162 where text.contains("permission"), 420 where text.contains("permission"):
            return Rule(error.code, .request, .error, .retrySlowly)
        case 162 where text.contains("cancel"): return Rule(162, .request, .info, .ignore)
        default: return nil
        }
    }

    /// The farm that a text names: behind the last `:`, or behind `demand.` in the texts of 2107 and 2108. In a text of
    /// another language it is behind the first full stop of the last word.
    public static func farm(in text: String) -> String? {
        let text = text.suffix(256)
        let name: Substring
        if let colon = text.lastIndex(of: ":") {
            name = text[text.index(after: colon)...]
        } else if let demand = text.range(ofLast: "demand.") {
            name = text[demand.upperBound...]
        } else {
            let word = text.split(separator: " ").last ?? ""
            guard let stop = word.firstIndex(of: "."), stop > word.startIndex else { return nil }
            name = word[word.index(after: stop)...]
        }
        let trimmed = name.drop { $0 == " " }.prefix { $0.isLetter || $0.isNumber || $0 == "." || $0 == "_" }
        return trimmed.isEmpty || trimmed.utf8.count > 64 ? nil : String(trimmed)
    }

    private static let byCode = Dictionary(uniqueKeysWithValues: table.map { ($0.code, $0) })
}

extension Substring {
    fileprivate func range(ofLast other: String) -> Range<Index>? {
        var from = endIndex
        while from > startIndex {
            from = index(before: from)
            if self[from...].hasPrefix(other) { return from..<index(from, offsetBy: other.count) }
        }
        return nil
    }
}
