internal import Glibc
internal import Ticks

/// The name of the log's newest part, in the file `newest` beside the parts: that one of them is gone which nothing follows, no other
/// file tells. 32 bytes, little endian:
///
///     offset size field
///          0    4 magic      "IBTN"
///          4    2 version    1
///          6    2 zero
///          8    8 hour       of the part's name
///         16    4 number     of the part's name
///         20    8 zero
///         28    4 crc32c     over these 32 bytes with this field zero
///
/// Parts are told apart by their numbers. Written once something in the part is durable; a part of which nothing ever was may go without a trace.
enum NewestPart {
    static let fileName = "newest"
    static let size = 32
    /// "IBTN" read as a little-endian number.
    private static let magic: UInt32 = 0x4E54_4249
    private static let version = FormatVersion.newestPart
    private static let checksumAt = 28

    enum Reading: Equatable {
        /// No such file: a log from before there was one.
        case missing
        case part(PartName)
        case damaged
    }

    static func path(in directory: String) -> String { directory + "/" + fileName }

    static func read(in directory: String) throws(StoreError) -> Reading {
        let file: File
        do throws(StoreError) { file = try File(path(in: directory), O_RDONLY | O_NOFOLLOW) } catch {
            if error.code == ELOOP { return .damaged }
            guard error.code == ENOENT else { throw error }
            return .missing
        }
        let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { raw.deallocate() }
        let count = try file.readPastBadSectors(into: raw, at: 0)
        // Its writing may have come no further.
        if count == 0 { return .missing }
        guard count == size else { return .damaged }
        let bytes = UnsafeRawBufferPointer(raw)
        guard bytes.number(0, UInt32.self) == magic, bytes.number(4, UInt16.self) == version,
            Checksum.isRight(bytes, at: checksumAt)
        else { return .damaged }
        return .part(PartName(hour: bytes.number(8, Int64.self), number: bytes.number(16, UInt32.self)))
    }

    /// True when it is the part that is named.
    static func names(_ part: PartName, in directory: String) throws(StoreError) -> Bool {
        guard case .part(let newest) = try read(in: directory) else { return false }
        return newest.number == part.number
    }

    /// The part that has to be there and is not; nil: none is known to be. The recorder may be going on meanwhile: so the name is
    /// looked at before the parts.
    static func gone(in directory: String) throws(StoreError) -> PartName? {
        guard case .part(let newest) = try read(in: directory) else { return nil }
        let parts = try PartName.listIfAny(directory)
        return parts.last.map { $0.number < newest.number } ?? true ? newest : nil
    }

    /// Durable when this returns. The file keeps its place on the disk, so that a full one takes it too.
    static func write(_ part: PartName, in directory: String) throws(StoreError) {
        let path = path(in: directory)
        var status = stat()
        // A link in its place is not ours.
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK { try Directory.remove(path) }
        let file = try File(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        var bytes: [UInt8] = []
        bytes.append(number: magic)
        bytes.append(number: version)
        bytes.append(number: UInt16(0))
        bytes.append(number: part.hour)
        bytes.append(number: part.number)
        bytes.append(number: UInt64(0))
        bytes.append(number: UInt32(0))
        bytes.withUnsafeMutableBytes {
            $0.store(Checksum.withoutField(UnsafeRawBufferPointer($0), at: checksumAt), at: checksumAt)
        }
        try file.write(bytes, at: 0)
        try file.syncData()
        try Directory.sync(directory)
    }
}
