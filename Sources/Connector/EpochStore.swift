internal import Glibc
internal import ServiceKit

/// The file `<state>/epoch`: the greatest epoch that was ever begun here, as decimal text.
///
/// An epoch is persisted before the first record of it is published, so that no key is ever given out twice.
struct EpochStore {
    private let path: String

    init(state: String) { path = state + "/epoch" }

    /// An epoch was begun here before.
    var ranBefore: Bool { access(path, F_OK) == 0 }

    /// Chooses and persists the epoch of this start: max(Unix seconds now, 1 + the greatest known).
    ///
    /// - known: the greatest epoch found elsewhere (journal, a recorder's conflict).
    func begin(known: UInt32, nowSeconds: Int64) throws(ProgramError) -> UInt32 {
        let greatest = max(known, try read() ?? 0)
        guard greatest < UInt32.max else {
            throw ProgramError(.ioError, "\(path): no epoch is left above \(greatest): move the state directory away")
        }
        let now = UInt32(clamping: nowSeconds)
        let epoch = max(now, greatest + 1)
        let text = Array("\(epoch)\n".utf8)
        do throws(FileError) {
            try Files.writeAtomically(text, to: path)
        } catch {
            // A full disk has no room for a new file, but the old one can be written over: the connector must come back
            // although the recorder's disk is full, since the journal goes on.
            guard overwrite(text) else { throw ProgramError(.ioError, "the epoch can't be written: \(error)") }
            log(.warning, "the epoch was written over the old one", ["why": "\(error)"])
        }
        return epoch
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

    /// Nil when there is no file. A file that holds no number is reported and counts as none: the clock and the journal
    /// still know better than it.
    private func read() throws(ProgramError) -> UInt32? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Files.read(path, maxBytes: 64)
        } catch {
            switch error.code {
            case ENOENT: return nil
            case EFBIG: bytes = []
            default: throw ProgramError(.ioError, "the epoch can't be read: \(error)")
            }
        }
        let text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first ?? ""
        guard let epoch = UInt32(text) else {
            log(.error, "the epoch file holds no number; going on without it", ["path": path])
            return nil
        }
        return epoch
    }
}
