internal import Glibc

/// Whether a journal holds all that was numbered: the file `boot` in its directory, one line of text:
///
///     <boot id> <n>
///
/// the run of the machine that it was written in, and its newest segment. As long as the line is there and true, a
/// connector that opens the journal knows of everything that was numbered before it. After a restart of the machine, or
/// without that segment, what was numbered last may be gone. A line without a number is an earlier version's.
///
/// Before records are published that no file of the journal has taken, the line is withdrawn. It is written again once
/// a segment's table names them. Owner: whoever writes the journal.
struct JournalMark {
    /// The number has a fixed width, so that each line covers the one before.
    private static let digits = 20

    private let path: String
    private let bootID: String
    /// A true line may stand in the file.
    private(set) var isSet: Bool

    /// Reads the file.
    ///
    /// - Parameters:
    ///   - bootID: nil: the machine's.
    ///   - newest: the newest segment that is there and sound; 0: none.
    init(directory: String, bootID: String?, newest: UInt64) throws(StoreError) {
        let id = if let bootID { bootID } else { try JournalMark.text(of: "/proc/sys/kernel/random/boot_id") }
        self.bootID = String(id.prefix { !$0.isWhitespace })
        path = JournalMark.path(in: directory)
        isSet = false
        guard access(path, F_OK) == 0 else { return }
        let words = try JournalMark.text(of: path).split(separator: "\n", omittingEmptySubsequences: false)[0].split(
            separator: " ")
        guard words.first.map({ $0 == self.bootID }) ?? false, words.count <= 2 else { return }
        isSet = words.count == 1 || UInt64(words[1]).map { $0 <= newest } ?? false
    }

    static func path(in directory: String) -> String { directory + "/boot" }

    /// All that was numbered stands in the journal, or in the table of this segment, its newest.
    mutating func set(newest: UInt64) throws(StoreError) {
        let number = String(newest)
        let line = "\(bootID) \(String(repeating: "0", count: max(0, JournalMark.digits - number.count)))\(number)\n"
        let file = try File(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        try file.write(Array(line.utf8), at: 0)
        isSet = true
    }

    /// Somebody has removed the file.
    var isGone: Bool { isSet && access(path, F_OK) != 0 }

    /// What comes now the journal does not have. That needs no room.
    mutating func withdraw() throws(StoreError) {
        guard isSet else { return }
        try Directory.remove(path)
        isSet = false
    }

    private static func text(of path: String) throws(StoreError) -> String {
        let file = try File(path, O_RDONLY)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 1)
        defer { buffer.deallocate() }
        let count = try file.read(into: buffer, at: 0)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
