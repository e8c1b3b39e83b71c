internal import Glibc
internal import Ticks

/// The name of an open-log part: `<YYYY>-<MM>-<DD>T<HH>.<part>.log`, the UTC hour of its creation and a number that only
/// rises, of nine digits at most. Parts are in the order of their numbers: the hour is what the clock showed, and a clock can
/// be wrong.
public struct PartName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Hours since the Unix epoch.
    public let hour: Int64
    public let number: UInt32

    public init(hour: Int64, number: UInt32) {
        self.hour = hour
        self.number = number
    }

    /// Nil for any other file name.
    public init?(fileName: String) {
        let parts = fileName.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2] == "log", (4...9).contains(parts[1].count), let number = UInt32(parts[1]),
            parts[0].utf8.count == 13
        else { return nil }
        let text = Array(parts[0].utf8)
        func digits(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for byte in text[range] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            return value
        }
        guard let year = digits(0..<4), let month = digits(5..<7), let day = digits(8..<10), let hour = digits(11..<13),
            text[4] == 0x2D, text[7] == 0x2D, text[10] == 0x54, (1...12).contains(month), (1...31).contains(day),
            hour < 24
        else { return nil }
        self.hour = CivilTime.days(year: year, month: month, day: day) * 24 + hour
        self.number = number
        guard description == fileName else { return nil }
    }

    /// The file name.
    public var description: String {
        let date = CivilTime(day: hour.floorDivided(by: 24)).date
        let digits = String(number)
        let padded = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let year = String(date.year + 10_000).dropFirst()
        return "\(year)-\(two(date.month))-\(two(date.day))T\(two(hour - hour.floorDivided(by: 24) * 24)).\(padded).log"
    }

    public static func < (a: PartName, b: PartName) -> Bool { (a.number, a.hour) < (b.number, b.hour) }

    /// The parts in a directory, in order. Other names are passed over.
    public static func list(_ directory: String) throws(StoreError) -> [PartName] {
        try Directory.names(directory).compactMap { PartName(fileName: $0) }.sorted()
    }

    /// The same; a missing directory has none.
    static func listIfAny(_ directory: String) throws(StoreError) -> [PartName] {
        do throws(StoreError) { return try list(directory) } catch {
            guard error.code == ENOENT else { throw error }
            return []
        }
    }

    /// Files in a log's directory that look like parts and have names by which no reader knows them.
    static func strays(_ directory: String) throws(StoreError) -> [String] {
        do throws(StoreError) {
            return try Directory.names(directory).filter { $0.hasSuffix(".log") && PartName(fileName: $0) == nil }
                .sorted().map { directory + "/" + $0 }
        } catch {
            guard error.code == ENOENT else { throw error }
            return []
        }
    }

    /// Of a part's path; nil for any other file.
    public init?(path: String) {
        guard let name = path.split(separator: "/").last else { return nil }
        self.init(fileName: String(name))
    }

    public func path(in directory: String) -> String { directory + "/" + description }

    /// The file with the durable slots of a part.
    static func durablePath(ofLog path: String) -> String {
        (path.hasSuffix(".log") ? String(path.dropLast(4)) : path) + ".durable"
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
