internal import Glibc
internal import ServiceKit

/// The file `<state>/epoch`: the greatest epoch that was ever begun here, as decimal text.
///
/// An epoch is persisted before the first record of it is published, so that no key is ever given out twice.
struct EpochStore {
    private let path: String

    init(state: String) { path = state + "/epoch" }

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
        do throws(FileError) {
            try Files.writeAtomically(Array("\(epoch)\n".utf8), to: path)
        } catch {
            throw ProgramError(.ioError, "the epoch can't be written: \(error)")
        }
        return epoch
    }

    /// Nil when there is no file. A file that holds no number is reported and counts as none: the clock and the journal
    /// still know better than it.
    private func read() throws(ProgramError) -> UInt32? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Files.read(path, maxBytes: 64)
        } catch {
            if error.code == ENOENT { return nil }
            throw ProgramError(.ioError, "the epoch can't be read: \(error)")
        }
        let text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first ?? ""
        guard let epoch = UInt32(text) else {
            log(.error, "the epoch file holds no number; going on without it", ["path": path])
            return nil
        }
        return epoch
    }
}
