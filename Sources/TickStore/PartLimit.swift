internal import Glibc

/// How far a part may be read, and what its file and its slots prove together. The recorder may be writing it.
struct PartLimit {
    /// File offset.
    let bytes: UInt64
    /// True when durable slots speak of the part.
    let hasSlots: Bool
    /// What was durable once and is not there, and slots that are damaged or gone.
    private(set) var findings: [LogFinding] = []

    /// Looks at both; nil when a part of a directory was removed meanwhile, its slots perhaps with it.
    ///
    /// The slots never speak of more than the file has by then, and are there before the first record is. So the file
    /// is looked at before the slots and behind them, each for what it can prove.
    ///
    /// - Parameters:
    ///   - isFinal: another part follows, or the file was named alone: without sound slots it is read as far as it is
    ///   sound. - recordsBegin: behind the key table.
    init?(
        of file: File, partID: UInt32?, inDirectory: Bool, isFinal: Bool, recordsBegin: UInt64
    ) throws(StoreError) {
        let path = file.path
        let sizeBefore = try file.size()
        let slotsPath = PartName.durablePath(ofLog: path)
        let slots = try DurableSlots.read(slotsPath, partID: partID)
        // The part goes first, then its slots: while it has its name, they were there.
        if inDirectory, try file.isRemoved() { return nil }
        let size = try file.size()
        hasSlots = slots.isKnown
        let areGone = !slots.isKnown && !slots.isBlank && inDirectory && !isFinal && sizeBefore > recordsBegin
        if slots.isDamaged || areGone {
            findings.append(LogFinding(meaning: .corruption, path: slotsPath, range: 0..<1024))
        }
        if isFinal, !slots.isKnown || slots.isDamaged {
            bytes = size
            return
        }
        bytes = min(slots.durableTo, size)
        if slots.durableTo > size {
            findings.append(LogFinding(meaning: .lostData, path: path, range: size..<slots.durableTo))
        }
    }
}
