/// Names of time zones that TWS uses and the tz database does not have, has with another meaning, or has parted into a
/// package of its own (`tzdata-legacy`).
///
/// What stands in no table is looked up as it is; an unknown name is reported, never taken as UTC.
/// Source: `timeZoneId` values recorded from gateways, docs/tws.md#trading-hours-and-zones.
public enum ZoneAlias {
    /// Abbreviations. `CTT` was seen for CME contracts and means US Central there, not China as in old tables; `CST` is
    /// that of Chicago, `IST` that of India, `BST` that of London.
    private static let abbreviations = table(
        """
        America/New_York: EST EDT ET EST5EDT
        America/Chicago: CST CDT CT CTT CST6CDT
        America/Denver: MST MDT MST7MDT
        America/Los_Angeles: PST PDT PT PST8PDT
        America/Anchorage: AKST AKDT
        Pacific/Honolulu: HST
        America/Halifax: AST ADT
        America/St_Johns: NST NDT
        America/Sao_Paulo: BRT
        America/Argentina/Buenos_Aires: ART
        Europe/London: BST
        Europe/Lisbon: WET WEST
        Europe/Paris: MET MEST CET CEST
        Europe/Helsinki: EET EEST
        Europe/Moscow: MSK
        Europe/Istanbul: TRT
        Asia/Jerusalem: IDT
        Asia/Dubai: GST
        Africa/Johannesburg: SAST
        Africa/Nairobi: EAT
        Asia/Karachi: PKT
        Asia/Kolkata: IST
        Asia/Bangkok: ICT
        Asia/Jakarta: WIB
        Asia/Kuala_Lumpur: MYT
        Asia/Singapore: SGT
        Asia/Hong_Kong: HKT
        Asia/Manila: PHT
        Asia/Tokyo: JST
        Asia/Seoul: KST
        Australia/Perth: AWST
        Australia/Adelaide: ACST ACDT
        Australia/Sydney: AEST AEDT
        Pacific/Auckland: NZST NZDT
        Etc/UTC: UTC GMT Z
        """)

    /// The name in the tz database for a name that TWS gave, such as `EST (Eastern Standard Time)`, `US/Central` or
    /// `Central Standard Time`. A fixed offset (`fixedOffset`) has none.
    public static func name(for given: String) -> String {
        let words = given.split(whereSeparator: { $0 == " " || $0 == "\t" })
        let whole = words.joined(separator: " ")
        if let known = displayNames[displayKey(whole)] { return known }
        let first = words.first.map(String.init) ?? ""
        // `EST (Eastern Standard Time)`: the first word says it. Of other names with blanks it is only a part.
        let name = words.count > 1 && words[1].first != "(" ? whole : first
        return abbreviations[name] ?? legacyNames[name] ?? name
    }

    /// Seconds east of UTC of `GMT+08:00`, `UTC-5`, `GMT+0530` or `+08:00`; nil for everything else. As people and Java
    /// mean it: `GMT+8` is eight hours ahead of UTC (`Etc/GMT+8`, in the tz database, is eight behind).
    public static func fixedOffset(_ given: String) -> Int? {
        var text = given.utf8.filter { $0 != 0x20 }[...]
        for prefix in ["GMT", "UTC", "UT"] where text.starts(with: prefix.utf8) {
            text = text.dropFirst(prefix.utf8.count)
            break
        }
        guard let sign = text.first, sign == 0x2B || sign == 0x2D else { return nil }
        let parts = text.dropFirst().split(separator: 0x3A, omittingEmptySubsequences: false)
        let digits = parts.joined()
        guard parts.count <= 2, digits.allSatisfy({ (0x30...0x39).contains($0) }),
            parts.count == 1 || parts[1].count == 2
        else { return nil }
        let numbers = digits.map { Int($0) - 0x30 }
        let (hours, minutes): (Int, Int)
        switch numbers.count {
        case 1: (hours, minutes) = (numbers[0], 0)
        case 2: (hours, minutes) = (numbers[0] * 10 + numbers[1], 0)
        case 3: (hours, minutes) = (numbers[0], numbers[1] * 10 + numbers[2])
        case 4: (hours, minutes) = (numbers[0] * 10 + numbers[1], numbers[2] * 10 + numbers[3])
        default: return nil
        }
        guard hours <= 14, minutes < 60, parts.count == 1 || parts[0].count <= 2 else { return nil }
        return (sign == 0x2D ? -1 : 1) * (hours * 3_600 + minutes * 60)
    }

    /// Lines of `name: alias alias …`, or `name: alias | alias …` where aliases have blanks.
    static func table(_ text: String) -> [String: String] {
        var names: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let aliases = line[line.index(after: colon)...]
            for alias in aliases.split(separator: aliases.contains("|") ? "|" : " ") {
                names[alias.drop { $0 == " " }.trimmedEnd] = String(line[..<colon])
            }
        }
        return names
    }
}

extension Substring {
    fileprivate var trimmedEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
