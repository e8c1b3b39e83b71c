internal import Glibc
internal import ServiceKit

/// The greatest epoch that was ever begun here, as decimal text, in two places: `<runtime>/epoch` and `<state>/epoch`.
///
/// An epoch is persisted before the first record of it is published, so that no key is ever given out twice. The
/// runtime directory is in memory: it takes the word at once, and keeps it over every death of a process. The state
/// directory keeps it over a restart of the machine; its disk may not answer, so that `StateKeeper` writes there, and
/// the session thread waits for it only a little.
///
/// Source: docs/decisions.md#numbers-not-time-say-what-is-missing.
struct EpochStore {
    private let directory: String
    private var path: String { EpochFile.path(in: directory) }

    /// - directory: state or runtime.
    init(directory: String) { self.directory = directory }

    /// The Unix seconds that a clock can show in good faith: the years 2020 to 2099. Others are never believed.
    static let believable: ClosedRange<Int64> = 1_577_836_800...4_102_444_799
    /// How far the clock alone may move an epoch beyond what is known.
    static let greatestStep: Int64 = 86_400

    struct Choice: Equatable {
        var epoch: UInt32
        /// The clock was not believed: a sentence for people, without an end.
        var doubt: String?
    }

    /// Chooses the epoch of a start: max(Unix seconds now, 1 + the greatest known).
    ///
    /// Nil when none is left. A clock that would move it by more than a day beyond the greatest known epoch and the
    /// latest time that a gateway has vouched for is not believed: then it is 1 + the greatest known, which is always
    /// right, since nothing but the order of epochs has a meaning. Where no epoch is known, nothing speaks against a
    /// clock of the years 2020 to 2099; another one gives a number near 2020 that rises with it.
    ///
    /// Without a word from this run of the machine (`isWitnessed` false) the clock alone would vouch for it, and a
    /// predecessor of whom every trace was wiped may have begun in this very second: then it is the next second's,
    /// and must not be used before that has come.
    ///
    /// - Parameters:
    ///   - known: the greatest epoch of the journal, the runtime and the state directory; 0: none.
    ///   - vouchedSeconds: the latest time of a gateway that is known, Unix seconds.
    static func choose(known: UInt32, vouchedSeconds: Int64? = nil, nowSeconds: Int64, isWitnessed: Bool) -> Choice? {
        guard known < UInt32.max else { return nil }
        let clock = nowSeconds + (isWitnessed ? 0 : 1)
        guard believable.contains(clock) else {
            let rising = UInt32(truncatingIfNeeded: clock) & 0x00FF_FFFF
            return Choice(
                epoch: known > 0 ? known + 1 : UInt32(believable.lowerBound) + rising,
                // A clock behind an epoch that is known has done no harm.
                doubt: known == 0 || clock > known ? "the host's clock shows no time between 2020 and 2099" : nil)
        }
        let latest = max(Int64(known), vouchedSeconds ?? 0)
        guard known == 0 || clock <= latest + greatestStep else {
            return Choice(
                epoch: known + 1,
                doubt: "the host's clock is \((clock - latest) / 86_400) d beyond the last time known here; "
                    + "no gateway has told its time")
        }
        return Choice(epoch: max(UInt32(clock), known + 1), doubt: nil)
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

    /// Writes over the file's bytes, of which there are as many; true when that is on the disk. So few bytes at a
    /// file's beginning are written whole or not at all.
    private func overwrite(_ text: [UInt8]) -> Bool {
        let descriptor = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_size == text.count else { return false }
        return pwrite(descriptor, text, text.count, 0) == text.count && fdatasync(descriptor) == 0
    }

    /// Nil when there is no file. A file that holds no number, or can't be read, is reported and counts as none: the
    /// clock, the journal and the other place still know better than it.
    func read() -> UInt32? {
        do throws(FileError) {
            let epoch = try EpochFile.read(in: directory)
            if epoch == 0 { log(.error, "the epoch file holds no number; going on without it", ["path": path]) }
            return epoch == 0 ? nil : epoch
        } catch {
            log(.error, "the epoch can't be read, going on without it", ["why": "\(error)"])
            return nil
        }
    }
}
