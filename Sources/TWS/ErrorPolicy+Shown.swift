/// What a person is shown of a code, beside the gateway's own words.
extension ErrorPolicy {
    /// The state of a stream while a code is the last word on its request. The raw values are the watchdog's names.
    public enum Shown: String, Sendable, CaseIterable {
        case noPermission = "no_permission"
        case noLine = "no_line"
        case competingSession = "competing_session"
        case farmDown = "farm_down"
        case delayed
        case notSubscribed = "not_subscribed"
    }

    /// What a person can do about a code; nil where the gateway's words say enough.
    static let advice: [Int32: String] = [
        101: "no market data line is free: other programs and windows of TWS use some",
        200: "the con_id is wrong, or the contract has expired: 'ib-stream lookup SYMBOL' finds the right one",
        203: "this account may not use the contract",
        309: "other programs and windows of TWS use the lines: stop some of them, or record fewer streams",
        322: "other programs and windows of TWS use the lines: stop some of them, or record fewer streams",
        321: "check the request's contract and exchange in the configuration",
        354: "the account has no live market data for this contract: subscribe to it in Client Portal",
        10089: "the account needs an API subscription to this data: subscribe to it in Client Portal",
        10091: "the account needs an API subscription to this data: subscribe to it in Client Portal",
        10168: "the account has no market data for this contract: subscribe to it in Client Portal",
        10186: "the account has no market data for this contract: subscribe to it in Client Portal",
        10189: "no permission for tick by tick, or another session of this user has the data: log that one off",
        10190: "other programs and windows of TWS use the lines: stop some of them, or record fewer streams",
        10197: "another session of this user has the data: log it off there, or give it a user of its own",
        10346: "the same instrument's data go to another display: close that one",
    ]
}

extension ErrorPolicy.Rule {
    /// What health shows for a stream whose request got this code.
    public var shown: ErrorPolicy.Shown {
        switch action {
        case .waitForLine: .noLine
        case .retrySlowly: .noPermission
        case .competingSession: .competingSession
        case .suspendFarm, .suspendFarmIfUsed: .farmDown
        case .delayedData: .delayed
        default: .notSubscribed
        }
    }

    public var advice: String? { ErrorPolicy.advice[code] }
}
