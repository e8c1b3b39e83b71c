internal import Glibc
public import Ticks

/// The name of a sealed segment: one stream's records of one hour of commit.
///
///     <con_id>-<symbol>/<kind>/<YYYY>/<MM>/<DD>/<HH>.ticks
///
/// below the directory of segments; `<kind>@<source>` when the source is not 0. The path is an address, not a filter:
/// the hour is the UTC hour of the log parts that the records came from. The symbol is decoration.
public struct SegmentName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let stream: StreamID
    /// `[A-Za-z0-9._-]`, at least one of them.
    public let symbol: String
    /// Hours since the Unix epoch.
    public let hour: Int64

    static let suffix = ".ticks"

    /// - Parameter symbol: other characters than `[A-Za-z0-9._-]` become `_`, nothing becomes `_`.
    public init(stream: StreamID, symbol: String, hour: Int64) {
        self.stream = stream
        self.hour = hour
        let bytes = symbol.utf8.prefix(64).map { SegmentName.isPlain($0) ? $0 : 0x5F }
        self.symbol = bytes.isEmpty ? "_" : String(decoding: bytes, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }

    /// The path below the directory of segments.
    public var description: String {
        let date = CivilTime(day: hour.floorDivided(by: 24)).date
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let year = String(date.year + 10_000).dropFirst()
        let ofDay = hour - hour.floorDivided(by: 24) * 24
        return "\(streamPath)/\(year)/\(two(date.month))/\(two(date.day))/\(two(ofDay))\(SegmentName.suffix)"
    }

    /// The directory of the stream, below the directory of segments.
    var streamPath: String {
        "\(stream.conId)-\(symbol)/\(stream.kind.name)\(stream.source == 0 ? "" : "@\(stream.source)")"
    }

    /// The file in a directory of segments.
    public func path(in ticksDirectory: String) -> String { ticksDirectory + "/" + description }

    /// The name that a path ends with; nil when it is not the path of a segment.
    public init?(path: String) {
        let parts = path.split(separator: "/")
        guard parts.count >= 6 else { return nil }
        let tail = parts.suffix(6).map(String.init)
        guard let contract = SegmentName.contract(tail[0]), let kind = SegmentName.kind(tail[1]),
            let hour = SegmentName.hour(year: tail[2], month: tail[3], day: tail[4], file: tail[5])
        else { return nil }
        self.init(
            stream: StreamID(conId: contract.conId, kind: kind.kind, source: kind.source), symbol: contract.symbol,
            hour: hour)
    }

    /// In the order of streams, each stream's in the order of hours.
    public static func < (a: SegmentName, b: SegmentName) -> Bool {
        if a.stream != b.stream { return a.stream < b.stream }
        return (a.hour, a.symbol) < (b.hour, b.symbol)
    }

    /// The segments in a directory, in order. Other names are passed over; a missing directory has none.
    ///
    /// - Parameters:
    ///   - streams: nil for all.
    ///   - fromHour: only segments of this hour and later ones.
    public static func list(
        ticksDirectory: String, streams: Set<StreamID>? = nil, fromHour: Int64 = .min
    ) throws(StoreError) -> [SegmentName] {
        var found: [SegmentName] = []
        for contractName in try names(ticksDirectory) {
            guard let contract = contract(contractName),
                streams?.contains(where: { $0.conId == contract.conId }) ?? true
            else { continue }
            let contractPath = ticksDirectory + "/" + contractName
            for kindName in try names(contractPath) {
                guard let kind = kind(kindName) else { continue }
                let stream = StreamID(conId: contract.conId, kind: kind.kind, source: kind.source)
                guard streams?.contains(stream) ?? true else { continue }
                for hour in try hours(contractPath + "/" + kindName, fromHour: fromHour) {
                    found.append(SegmentName(stream: stream, symbol: contract.symbol, hour: hour))
                }
            }
        }
        return found.sorted()
    }

    /// The streams that have directories, in order; there may be no segment in them.
    public static func streams(ticksDirectory: String) throws(StoreError) -> [StreamID] {
        var found: Set<StreamID> = []
        for contractName in try names(ticksDirectory) {
            guard let contract = contract(contractName) else { continue }
            for kindName in try names(ticksDirectory + "/" + contractName) {
                guard let kind = kind(kindName) else { continue }
                found.insert(StreamID(conId: contract.conId, kind: kind.kind, source: kind.source))
            }
        }
        return found.sorted()
    }

    /// The segments at any depth below a directory, which may be that of all segments, of a contract, of a day: in the
    /// order of streams and hours where their paths say so, else in the order of paths.
    static func find(under directory: String) throws(StoreError) -> [(path: String, name: SegmentName?)] {
        var found: [(path: String, name: SegmentName?)] = []
        // Deeper than segments lie; a link that leads back up ends there.
        var directories = [(path: directory, depth: 0)]
        while let (path, depth) = directories.popLast() {
            for name in try names(path) {
                let inner = path + "/" + name
                if name.hasSuffix(suffix) { found.append((inner, SegmentName(path: inner))) }
                if depth < 8, !name.hasPrefix("."), isDirectory(inner) { directories.append((inner, depth + 1)) }
            }
        }
        return inOrder(found)
    }

    /// In the order of streams and hours where paths say so, else in the order of paths.
    static func inOrder(_ files: [(path: String, name: SegmentName?)]) -> [(path: String, name: SegmentName?)] {
        files.sorted { a, b in
            if let first = a.name, let second = b.name, first != second { return first < second }
            return a.path < b.path
        }
    }

    /// True when a directory of segments has one of some contract.
    static func hasContracts(ticksDirectory: String) throws(StoreError) -> Bool {
        try names(ticksDirectory).contains { contract($0) != nil }
    }

    /// Files below a directory of segments that look like segments and lie where no reader looks for them.
    static func strays(ticksDirectory: String) throws(StoreError) -> [String] {
        try find(under: ticksDirectory).filter { $0.name?.path(in: ticksDirectory) != $0.path }.map { $0.path }
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The hours that a stream's directory has files of.
    static func hours(_ directory: String, fromHour: Int64 = .min) throws(StoreError) -> [Int64] {
        var found: [Int64] = []
        let firstDay = fromHour == .min ? Int64.min : fromHour.floorDivided(by: 24)
        for year in try names(directory) {
            guard let number = digits(year, count: 4), CivilTime.days(year: number + 1, month: 1, day: 1) > firstDay
            else { continue }
            for month in try names("\(directory)/\(year)") where digits(month, count: 2) != nil {
                for day in try names("\(directory)/\(year)/\(month)") {
                    guard let first = hour(year: year, month: month, day: day, file: "00\(suffix)"),
                        first.floorDivided(by: 24) >= firstDay
                    else { continue }
                    for file in try names("\(directory)/\(year)/\(month)/\(day)") {
                        guard let hour = hour(year: year, month: month, day: day, file: file), hour >= fromHour
                        else { continue }
                        found.append(hour)
                    }
                }
            }
        }
        return found
    }

    /// The names in a directory; none when it is not there (any more) or is no directory.
    private static func names(_ path: String) throws(StoreError) -> [String] {
        do throws(StoreError) { return try Directory.names(path) } catch {
            if error.code == ENOENT || error.code == ENOTDIR { return [] }
            throw error
        }
    }

    static func contract(_ name: String) -> (conId: Int32, symbol: String)? {
        let parts = name.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let conId = Int32(parts[0]), conId > 0, String(conId) == parts[0], !parts[1].isEmpty,
            parts[1].utf8.allSatisfy(isPlain), parts[1].utf8.count <= 64
        else { return nil }
        return (conId, String(parts[1]))
    }

    /// What a stream's directory is called: `last`, `last@1`.
    static func kind(_ name: String) -> (kind: TickKind, source: UInt8)? {
        let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let kind = TickKind(streamName: parts[0]) else { return nil }
        guard parts.count == 2 else { return (kind, 0) }
        guard let source = UInt8(parts[1]), source > 0, String(source) == parts[1] else { return nil }
        return (kind, source)
    }

    private static func hour(year: String, month: String, day: String, file: String) -> Int64? {
        guard file.hasSuffix(suffix), let year = digits(year, count: 4), let month = digits(month, count: 2),
            let day = digits(day, count: 2), let hour = digits(String(file.dropLast(suffix.count)), count: 2),
            let time = CivilTime(year: year, month: month, day: day, hour: hour)
        else { return nil }
        return time.seconds.floorDivided(by: 3_600)
    }

    private static func digits(_ text: String, count: Int) -> Int64? {
        guard text.utf8.count == count, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
}
