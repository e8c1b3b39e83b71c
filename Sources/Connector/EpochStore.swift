internal import Glibc
internal import ServiceKit

/// The greatest epoch that was ever begun here, as decimal text, in two places: `<runtime>/epoch` and `<state>/epoch`.
///
/// An epoch is persisted before the first record of it is published, so that no key is ever given out twice. The runtime
/// directory is in memory: it takes the word at once, and keeps it over every death of a process. The state directory keeps
/// it over a restart of the machine; its disk may not answer, so that `StateKeeper` writes there, and the session thread
/// waits for it only a little.
///
/// Source: the design's section 3 (epoch).
struct EpochStore {
    private let path: String

    /// - directory: state or runtime.
    init(directory: String) { path = directory + "/epoch" }

    /// Chooses the epoch of a start: max(Unix seconds now, 1 + the greatest known).
    ///
    /// Nil when none is left. Without a word from this run of the machine (`isWitnessed` false) the clock alone would
    /// vouch for it, and a predecessor of whom every trace was wiped may have begun in this very second: then it is the
    /// next second's, and must not be used before that has come.
    static func choose(known: UInt32, nowSeconds: Int64, isWitnessed: Bool) -> UInt32? {
        guard known < UInt32.max else { return nil }
        return max(UInt32(clamping: nowSeconds + (isWitnessed ? 0 : 1)), known + 1)
    }

    /// Writes the epoch, durably where that means something.
    func write(_ epoch: UInt32) throws(ProgramError) {
        let text = Array("\(epoch)\n".utf8)
        do throws(FileError) {
            try Files.writeAtomically(text, to: path)
        } catch {
            // A full disk has no room for a new file, but the old one can be written over: the connector must come back
            // although the recorder's disk is full, since the journal goes on.
            guard overwrite(text) else { throw ProgramError(.ioError, "the epoch can't be written: \(error)") }
            log(.warning, "the epoch was written over the old one", ["why": "\(error)"])
        }
    }

    /// Writes over the file's bytes, of which there are as many; true when that is on the disk. So few bytes at a file's
    /// beginning are written whole or not at all.
    private func overwrite(_ text: [UInt8]) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_size == text.count else { return false }
        return pwrite(descriptor, text, text.count, 0) == text.count && fdatasync(descriptor) == 0
    }

    /// Nil when there is no file. A file that holds no number, or can't be read, is reported and counts as none: the
    /// clock, the journal and the other place still know better than it.
    func read() -> UInt32? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Files.read(path, maxBytes: 64)
        } catch {
            if !error.isMissing { log(.error, "the epoch can't be read, going on without it", ["why": "\(error)"]) }
            return nil
        }
        let text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first ?? ""
        guard let epoch = UInt32(text) else {
            log(.error, "the epoch file holds no number; going on without it", ["path": path])
            return nil
        }
        return epoch
    }
}
