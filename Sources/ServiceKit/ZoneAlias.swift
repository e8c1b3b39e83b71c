/// Names of time zones that TWS uses and the tz database does not have, or has with another meaning.
///
/// Source: `timeZoneId` values recorded from gateways. `CTT` was seen for CME contracts and means US Central there, not
/// China as in old tables. Everything else is looked up as it is; an unknown name is reported, never taken as UTC.
public enum ZoneAlias {
    private static let names: [String: String] = [
        "EST": "America/New_York", "EDT": "America/New_York", "CST": "America/Chicago", "CDT": "America/Chicago",
        "CTT": "America/Chicago", "MST": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
        "JST": "Asia/Tokyo", "HKT": "Asia/Hong_Kong", "SGT": "Asia/Singapore", "BST": "Europe/London",
        "MET": "Europe/Paris", "CET": "Europe/Paris", "IST": "Asia/Kolkata", "AEST": "Australia/Sydney",
        "Australia/NSW": "Australia/Sydney", "NZ": "Pacific/Auckland",
    ]

    /// The name in the tz database for a name that TWS gave, such as `EST (Eastern Standard Time)` or `US/Central`.
    public static func name(for given: String) -> String {
        let word = given.split(separator: " ").first.map(String.init) ?? ""
        return names[word] ?? word
    }
}
