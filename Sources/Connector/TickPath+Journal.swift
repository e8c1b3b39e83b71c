internal import TickStore
internal import Ticks

/// The journal, and the epochs that it knows.
extension TickPath {
    /// What the recorder says to be durable; nil: it never said anything. Once a second.
    mutating func noteDurable(_ keys: [StreamID: TickKey]?) {
        if let keys { journal.noteDurable(keys) }
    }

    /// Once a second: how far back the journal reaches, and how long until a record has to go that is not durable. In
    /// seconds at the present rate; nil: not known, or too long to matter.
    mutating func journalSeconds(nowNanos: Int64) -> (reach: Int64?, left: Int64?) {
        reach.count(appendedBytes: journal.appendedBytes, nowNanos: nowNanos)
        return (reach.seconds(of: journal.reachBytes), reach.seconds(of: journal.bytesBeforeLoss()))
    }

    /// About once a second: files of the journal that somebody has removed are made anew.
    mutating func checkJournal() {
        do throws(StoreError) { try journal.checkFiles() } catch { journalFault = "\(error)" }
    }

    mutating func append() {
        do throws(StoreError) {
            try journal.append(UnsafeBufferPointer(start: pieces, count: dirtyCount))
            journalFault = nil
        } catch {
            counters.journalFailures &+= 1
            journalFault = "\(error)"
        }
    }

    /// Every stream counts from 1 again, in `epoch`, which is greater than the present one.
    ///
    /// - Parameters:
    ///   - cause: for people; 16 bytes of it are recorded.
    ///   - followsOthers: somebody else used epochs between the two.
    mutating func begin(epoch: UInt32, cause: String, followsOthers: Bool = false) {
        precondition(epoch > self.epoch)
        flush()
        self.epoch = epoch
        epochCause = cause
        do throws(StoreError) {
            try journal.begin(epoch: epoch, followsOthers: followsOthers)
        } catch {
            counters.journalFailures &+= 1
            journalFault = "\(error)"
        }
        epochIsUsedUp = false
        for index in 0..<slotCount {
            slots[index].seq = 0
            slots[index].needsAttention = true
        }
    }
}
