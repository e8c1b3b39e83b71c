internal import CLinux
internal import Glibc
public import Ticks

/// Appends blocks to one part that it made itself. One thread. After a failed write or sync it refuses all further use,
/// since nobody knows then where the file ends or what the kernel has dropped; the caller begins a new part.
public struct LogWriter: ~Copyable {
    /// The most pieces that one block can be made of (one vector of the kernel's 1,024 is the header).
    public static let maxPieces = 1023

    public var path: String { file.path }
    /// Random for each use of a file, in every block.
    public let partID: UInt32
    /// File offset behind the first block.
    let tableEnd: UInt64
    /// File offset behind the last block.
    public private(set) var endOffset: UInt64
    /// File offset up to which fdatasync succeeded; 0 before the first `sync`.
    public private(set) var durableOffset: UInt64
    /// True after a failure.
    public private(set) var failed = false

    private let file: File
    /// Nil for journal segments, which are never synced.
    private var slots: DurableSlots?
    /// The file may not grow beyond this; `UInt64.max` for a part that grows as it likes.
    private let capacityBytes: UInt64
    /// `maxPieces + 1` vectors; the first is the header. Owned.
    private let vectors: UnsafeMutablePointer<iovec>
    private let headerBytes: UnsafeMutableRawPointer

    /// Makes a part: the file must not exist yet. Its first block is the key table, on disk when this returns only
    /// after `sync`. The directory entry is durable. After an error the file may be there, with its table and nothing
    /// else: whether it may go is the caller's to know.
    ///
    /// - Parameters:
    ///   - path: ends in `.log`; the durable slots go beside it in `.durable`.
    ///   - positions: every stream's last key in what came before.
    public init(creating path: String, positions: [StreamID: StreamPosition]) throws(StoreError) {
        let file = try File(path, O_RDWR | O_CREAT | O_EXCL)
        let partID = UInt32.random(in: 1 ... .max)
        let end = try LogWriter.removing(path) { () throws(StoreError) in
            // Of a part of the same name that somebody has removed.
            try Directory.remove(PartName.durablePath(ofLog: path))
            return try LogWriter.begin(file, partID: partID, table: KeyTable(positions: positions))
        }
        try Directory.sync(PartName.directory(of: path))
        let slots = try DurableSlots(PartName.durablePath(ofLog: path), partID: partID)
        self.init(file: file, partID: partID, endOffset: end, slots: slots, capacityBytes: .max)
    }

    /// Takes over a journal segment whose old content the caller has made invalid, and begins it with the table.
    init(reusing file: File, capacityBytes: UInt64, table: KeyTable) throws(StoreError) {
        let partID = UInt32.random(in: 1 ... .max)
        let end = try LogWriter.begin(file, partID: partID, table: table)
        self.init(file: file, partID: partID, endOffset: end, slots: nil, capacityBytes: capacityBytes)
    }

    private init(
        file: File, partID: UInt32, endOffset: UInt64, slots: consuming DurableSlots?, capacityBytes: UInt64
    ) {
        self.file = file
        self.partID = partID
        tableEnd = endOffset
        self.endOffset = endOffset
        self.slots = slots
        self.capacityBytes = capacityBytes
        durableOffset = 0
        vectors = UnsafeMutablePointer<iovec>.allocate(capacity: LogWriter.maxPieces + 1)
        headerBytes = UnsafeMutableRawPointer.allocate(byteCount: BlockHeader.size, alignment: 8)
    }

    deinit {
        vectors.deallocate()
        headerBytes.deallocate()
    }

    /// Removes the file again when `body` fails: a part without a table would only be in the
    /// way of recovery, and nobody counts on one.
    private static func removing<Made>(
        _ path: String, unless body: () throws(StoreError) -> Made
    ) throws(StoreError) -> Made {
        do throws(StoreError) { return try body() } catch {
            // If this fails too, recovery passes the empty part over.
            unlink(path)
            throw error
        }
    }

    /// Writes the first block and returns where it ends.
    private static func begin(_ file: File, partID: UInt32, table: KeyTable) throws(StoreError) -> UInt64 {
        let payload = table.encoded()
        let entries = payload.count / KeyTable.entrySize
        guard entries <= BlockHeader.maxTableEntries else { throw .tooManyStreams(path: file.path, count: entries) }
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: BlockHeader.size + payload.count, alignment: 8)
        defer { block.deallocate() }
        UnsafeMutableRawBufferPointer(rebasing: block[BlockHeader.size...]).copyBytes(from: payload)
        var header = BlockHeader(
            codec: .keyTable, records: entries, payloadBytes: payload.count, durableTo: 0, partID: partID)
        header.checksum = header.checksum(withPayload: UnsafeRawBufferPointer(rebasing: block[BlockHeader.size...]))
        header.encode(to: block.baseAddress!)
        try file.write(UnsafeRawBufferPointer(block), at: 0)
        return UInt64(block.count)
    }

    /// False when no name leads to the file any more, or to its slots.
    var isLinked: Bool {
        guard file.isLinked else { return false }
        switch slots {
        case .some(let slots): return slots.isLinked
        case .none: return true
        }
    }

    /// Bytes that a block of this payload takes.
    public static func blockBytes(payloadBytes: Int) -> Int { BlockHeader.size + payloadBytes }

    /// True when a block of this payload still fits (always for parts that grow).
    func hasRoom(payloadBytes: Int) -> Bool {
        endOffset + UInt64(LogWriter.blockBytes(payloadBytes: payloadBytes)) <= capacityBytes
    }

    /// Appends one block made of all pieces, in one system call. Allocates nothing.
    ///
    /// - Parameter pieces: 1 to `maxPieces` runs of whole records, at most 1 MiB together; a `more` record
    ///   stands in the same block as its tick.
    public mutating func append(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) throws(StoreError) {
        precondition(pieces.count <= LogWriter.maxPieces, "a block has at most 1,023 pieces")
        var bytes = 0
        for index in 0..<pieces.count {
            let piece = pieces[index]
            vectors[index + 1] = iovec(
                iov_base: UnsafeMutableRawPointer(mutating: piece.baseAddress), iov_len: piece.count)
            bytes += piece.count
        }
        precondition(bytes % Tick.size == 0 && bytes <= BlockHeader.maxPayloadBytes, "whole records, 1 MiB at most")
        guard bytes > 0 else { return }
        guard !failed else { throw .writerFailed(path: path) }
        guard hasRoom(payloadBytes: bytes) else { throw .partFull(path: path) }
        var header = BlockHeader(
            codec: .records, records: bytes / Tick.size, payloadBytes: bytes, durableTo: durableOffset, partID: partID)
        header.encode(to: headerBytes)
        vectors[0] = iovec(iov_base: headerBytes, iov_len: BlockHeader.size)
        var checksum: UInt32 = 0
        for index in 0...pieces.count {
            checksum = clx_crc32c(checksum, vectors[index].iov_base, vectors[index].iov_len)
        }
        header.checksum = checksum
        header.encode(to: headerBytes)
        let code = clx_pwritev_all(file.descriptor, vectors, Int32(pieces.count + 1), Int64(endOffset))
        guard code == 0 else {
            failed = true
            throw .system(call: "pwritev", path: path, code: code)
        }
        endOffset += UInt64(LogWriter.blockBytes(payloadBytes: bytes))
    }

    /// Makes it durable how far the part is durable: readers of a finished part go by its slots alone.
    /// The slot is written anew each time: after a failed sync the kernel calls its page clean, and
    /// another sync alone would write nothing.
    public mutating func finish() throws(StoreError) {
        guard durableOffset > 0 else { return }
        try slots?.write(durableOffset)
        try slots?.sync()
    }

    /// Waits until the slots are on the device as they are.
    func syncSlots() throws(StoreError) { try slots?.sync() }

    /// Makes everything appended so far durable: fdatasync, then the slot that tells readers.
    public mutating func sync() throws(StoreError) {
        guard !failed else { throw .writerFailed(path: path) }
        guard durableOffset < endOffset else { return }
        do throws(StoreError) {
            try file.syncData()
            try slots?.write(endOffset)
        } catch {
            failed = true
            throw error
        }
        durableOffset = endOffset
    }
}
