internal import Glibc
internal import TickStore
internal import Ticks

/// Decides whether it is known at the stop what has to become durable. Pure.
///
/// The connector says once a second how far it is, and what it said last may be a
/// second old: only the journal has the rest.
enum DrainTarget {
    /// Why the journal's word is not all that there is; nil: it is.
    ///
    /// - Parameters:
    ///   - heard: the newest key of every stream that is known to exist.
    ///   - epoch: of the connector that was heard since the start; 0: none was.
    ///   - isWithdrawn: ticks were published that the journal was not given.
    static func fault(
        journal: [StreamID: TickKey], heard: [StreamID: TickKey], epoch: UInt32, isWithdrawn: Bool = false
    ) -> String? {
        if epoch > 0, isWithdrawn { return "the journal was not given all that was published" }
        guard epoch > 0, heard.values.contains(where: { $0.epoch == epoch }),
            !journal.values.contains(where: { $0.epoch >= epoch })
        else { return nil }
        return "the journal has nothing of epoch \(epoch), of which ticks were received"
    }

    /// The same when the journal could not be read. A directory that is not there has
    /// nothing to tell where no connector was heard.
    static func fault(_ error: StoreError, epoch: UInt32) -> String? {
        error.code == ENOENT && epoch == 0 ? nil : "the journal can't be read: \(error)"
    }
}
