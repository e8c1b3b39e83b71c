/// Follows the chain of a list's entries: which of them count, where the list ends, what was destroyed. Pure.
///
/// Entries that were appended together count once all of them are there. Of an append that a power cut ended anything
/// may be there and anything may be zeros: it stands at the end, and means nothing. It is told from what was
/// destroyed later by what stands behind it, since nothing is appended behind an append before that is durable, and
/// by how far the list is known to be durable.
struct SealedListScan {
    /// Entries that are appended together, at most.
    static let mostTogether = 1 << 16

    /// Where the next append goes.
    struct End: Equatable {
        /// Entries' places in front of it.
        var places: UInt64 = 0
        /// Of the last entry.
        var number: UInt64 = 0
        var checksum: UInt32 = 0
    }

    /// Places of entries whose bytes are not what was written there, neighbours together.
    private(set) var damaged: [Range<UInt64>] = []
    /// Behind the last entry that counts.
    private(set) var end: End
    /// Places passed.
    private(set) var places: UInt64
    private var nextNumber: UInt64
    private var lastChecksum: UInt32
    /// True when the place before can't be read: then nothing tells what the checksum before is.
    private var isBehindUnsound = false

    // Of what stands behind `end`.
    private var open: [(entry: SealedEntry.Stored, place: UInt64)] = []
    private var unsound: [Range<UInt64>] = []

    /// - Parameter end: where to begin, behind entries that count.
    init(behind end: End = End()) {
        self.end = end
        places = end.places
        nextNumber = end.number + 1
        lastChecksum = end.checksum
    }

    /// The next place; nil: no sound entry stands there.
    mutating func pass(_ entry: SealedEntry.Stored?, take: (SealedEntry.Stored, UInt64) -> Void) {
        let place = places
        places += 1
        guard let entry else {
            SealedListScan.add(place, to: &unsound)
            nextNumber += 1
            isBehindUnsound = true
            return settleWhatIsTooMuch(take)
        }
        let isNext = entry.number == nextNumber && (isBehindUnsound || entry.previous == lastChecksum)
        // The number in front of those that were appended together with it.
        let before = entry.number &- UInt64(entry.place) &- 1
        if !isNext || before > end.number {
            // Something in front of it is gone, or what was appended before it was
            // not whole, and was durable all the same.
            let isTold = !unsound.isEmpty
            settle(at: place, take)
            if !isNext || !isTold { SealedListScan.add(place, to: &damaged) }
            end.number = entry.number &- 1
        }
        open.append((entry, place))
        nextNumber = entry.number &+ 1
        lastChecksum = entry.checksum
        isBehindUnsound = false
        if !entry.hasMore, unsound.isEmpty { settle(at: places, take) }
        settleWhatIsTooMuch(take)
    }

    /// More than can have been appended together.
    private mutating func settleWhatIsTooMuch(_ take: (SealedEntry.Stored, UInt64) -> Void) {
        if places - end.places > UInt64(SealedListScan.mostTogether) { settle(at: places, take) }
    }

    /// The list ends here.
    ///
    /// - Parameter durable: places that were durable for certain.
    mutating func finish(durable: UInt64, take: (SealedEntry.Stored, UInt64) -> Void) {
        if durable > end.places { settle(at: places, take) }
        if durable > places { damaged.append(places..<durable) }
    }

    /// All up to a place counts as far as it can be read, and the rest was destroyed.
    private mutating func settle(at place: UInt64, _ take: (SealedEntry.Stored, UInt64) -> Void) {
        damaged += unsound
        for (entry, place) in open { take(entry, place) }
        unsound = []
        open.removeAll(keepingCapacity: true)
        end = End(places: place, number: nextNumber &- 1, checksum: lastChecksum)
    }

    private static func add(_ place: UInt64, to ranges: inout [Range<UInt64>]) {
        if let last = ranges.last, last.upperBound == place {
            ranges[ranges.count - 1] = last.lowerBound..<place + 1
        } else {
            ranges.append(place..<place + 1)
        }
    }
}
