/// Error codes that the gateway sends, with the texts that real ones use.
///
/// Source: docs/tws.md#codes. Clients go by the codes.
enum Notice {
    static let noSecurityDefinition: (Int32, String) = (200, "No security definition has been found for the request")
    static let duplicateClientId: (Int32, String) = (
        326, "Unable to connect as the client id is already in use. Retry with a unique client id."
    )
    static let tooManyTickByTick: (Int32, String) = (10_190, "Max number of tick-by-tick requests has been reached.")
    static let tooManyLines: (Int32, String) = (101, "Max number of tickers has been reached")
    static let messageRate: (Int32, String) = (
        100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"
    )
    static let duplicateTicker: (Int32, String) = (102, "Duplicate ticker ID.")
    static let duplicateTickByTick: (Int32, String) = (
        322, "Error processing request.-'bO' : cause - Duplicate ticker id"
    )
    static let historyPacing: (Int32, String) = (
        162, "Historical Market Data Service error message:Historical data request pacing violation"
    )
    static let badDateTime: (Int32, String) = (
        10_314,
        "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss "
            + "xx/xxxx where yyyymmdd and xx/xxxx are optional."
    )

    static func unknownTicker(_ id: Int32) -> (Int32, String) { (300, "Can't find EId with tickerId:\(id)") }

    static func invalid(_ cause: String) -> (Int32, String) {
        (321, "Error validating request.-'bN' : cause - \(cause)")
    }

    static func noTickByTick(_ kind: String, _ symbol: String) -> (Int32, String) {
        (10_189, "Failed to request tick-by-tick data:\(kind) tick-by-tick requests are not supported for \(symbol)")
    }

    /// The usual text of a code, for `error CODE` without one.
    static func text(ofCode code: Int32) -> String {
        texts[code] ?? "Simulated notice \(code)"
    }

    /// Notices whose text ends in the name of a data farm.
    static func isAboutFarm(_ code: Int32) -> Bool {
        [2_103, 2_104, 2_105, 2_106, 2_107, 2_108, 2_119, 2_157, 2_158].contains(code)
    }

    /// The usual text of a notice about a farm, with another farm's name.
    static func text(ofCode code: Int32, farm: String) -> String {
        let usual = text(ofCode: code)
        let name = Faults.farm(ofText: usual) ?? ""
        return usual.dropLast(name.count) + farm
    }

    private static let texts: [Int32: String] = [
        100: messageRate.1, 101: tooManyLines.1, 102: duplicateTicker.1, 162: historyPacing.1,
        200: noSecurityDefinition.1, 322: duplicateTickByTick.1, 326: duplicateClientId.1,
        354: "Requested market data is not subscribed.", 10_190: tooManyTickByTick.1, 10_314: badDateTime.1,
        1_100: "Connectivity between IBKR and Trader Workstation has been lost.",
        1_101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
        1_102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
        1_300:
            "TWS socket port has been reset and this connection is being dropped.   "
            + "Please reconnect on the new port - ",
        2_103: "Market data farm connection is broken:usfarm", 2_104: "Market data farm connection is OK:usfarm",
        2_105: "HMDS data farm connection is broken:ushmds", 2_106: "HMDS data farm connection is OK:ushmds",
        2_107: "HMDS data farm connection is inactive but should be available upon demand.ushmds",
        2_108: "Market data farm connection is inactive but should be available upon demand.usfarm",
        2_110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
        2_119: "Market data farm is connecting:usfarm", 2_157: "Sec-def data farm connection is broken:secdefil",
        2_158: "Sec-def data farm connection is OK:secdefil",
        10_167: "Requested market data is not subscribed. Displaying delayed market data.",
        10_168: "Requested market data is not subscribed. Delayed market data is not enabled.",
        10_182: "Failed to request live updates (disconnected).",
        10_197: "No market data during competing live session",
    ]
}
