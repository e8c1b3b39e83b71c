internal import Glibc
internal import Ticks

/// What of a recording was durable and has been destroyed since, until somebody has repaired it or says that he knows:
/// two small files in the state directory, which outlive every process.
///
///     <state>/damage               a line for each place: number, time, text; parted by blanks
///     <state>/damage.acknowledged  the greatest number that somebody has acknowledged, decimal
///
/// The first has one writer at a time, whoever holds the recorder's lock; the second the operator's command. A place
/// that is noted is not noted again, so that one that was acknowledged stays so. Any thread that may wait for a disk.
public struct DamageNotes: Sendable {
    /// Places kept; what comes beyond them changes nothing.
    static let maxPlaces = 200
    private static let maxBytes = 256 << 10
    private static let maxTextBytes = 1000

    /// One place where durable data were found destroyed.
    public struct Place: Sendable, Equatable {
        public var number: UInt64
        /// When it was found, RFC 3339.
        public var time: String
        /// The file below the state directory, and what is wrong with which bytes.
        public var text: String
    }

    private let path: String
    private let acknowledgedPath: String

    public init(state: String) {
        path = state + "/damage"
        acknowledgedPath = path + ".acknowledged"
    }

    /// All that is noted, oldest first; none where there is no file.
    public func places() throws(FileError) -> [Place] {
        guard let bytes = try read(path) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map { line in
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, let number = UInt64(words[0]) else {
                // A damaged line is a place that nobody has acknowledged.
                return Place(number: .max, time: "", text: "damage: a line that can't be read")
            }
            return Place(number: number, time: String(words[1]), text: String(words[2]))
        }
    }

    /// What is noted and not acknowledged.
    public func open() throws(FileError) -> [Place] {
        let acknowledged = try acknowledged()
        return try places().filter { $0.number > acknowledged }
    }

    /// Notes places that are not noted yet. Durable when it returns.
    public func add(_ texts: [String], atNanos now: Int64) throws(FileError) {
        var all = try places()
        let before = all.count
        // Never one that is acknowledged already, whatever became of the lines.
        var number = max(try acknowledged(), all.map(\.number).filter { $0 < .max }.max() ?? 0)
        for text in texts.map(DamageNotes.clean) where !all.contains(where: { $0.text == text }) {
            guard all.count < DamageNotes.maxPlaces else { break }
            number += 1
            all.append(Place(number: number, time: Timestamp.text(now, digits: 0), text: text))
        }
        guard all.count > before else { return }
        let text = all.map { "\($0.number) \($0.time.isEmpty ? "-" : $0.time) \($0.text)\n" }.joined()
        try Files.writeAtomically(Array(text.utf8), to: path)
    }

    /// Everything noted so far is known to somebody. Returns what was open. Durable when it returns.
    public func acknowledge() throws(FileError) -> [Place] {
        let open = try open()
        guard let greatest = open.map(\.number).max() else { return [] }
        try Files.writeAtomically(Array("\(greatest)\n".utf8), to: acknowledgedPath)
        return open
    }

    /// All of it is repaired. Only for the holder of the recorder's lock.
    public func clear() throws(FileError) {
        for path in [path, acknowledgedPath] where unlink(path) != 0 && errno != ENOENT {
            throw FileError(path: path, call: "unlink", code: errno)
        }
        try Files.syncDirectory(Files.parent(of: path))
    }

    private func acknowledged() throws(FileError) -> UInt64 {
        guard let bytes = try read(acknowledgedPath) else { return 0 }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.flatMap { UInt64($0) }
            ?? 0
    }

    private func read(_ path: String) throws(FileError) -> [UInt8]? {
        do throws(FileError) { return try Files.read(path, maxBytes: DamageNotes.maxBytes) } catch {
            guard error.isMissing else { throw error }
            return nil
        }
    }

    private static func clean(_ text: String) -> String {
        let plain = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : Character($0) }
        return String(decoding: Array(String(plain).utf8.prefix(maxTextBytes)), as: UTF8.self)
    }
}
