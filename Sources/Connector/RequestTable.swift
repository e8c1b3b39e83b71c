/// Which slot the ticks of a request belong to; ids of ended subscriptions lead nowhere.
///
/// An open-addressing table of the live requests alone: what it takes depends on how many streams there are, never on
/// how many requests were made since the start. Ids count up, so a look-up nearly always
/// hits at once. Owner: the session thread.
struct RequestTable {
    static let none: Int32 = -1

    private struct Entry {
        var request: Int32 = 0
        var slot = RequestTable.none
    }

    /// A power of two, at least twice as many as live requests.
    private var entries = [Entry](repeating: Entry(), count: 64)
    private var live = 0

    /// The slot, or `none` for a request that is over or never was.
    @inline(__always) func slot(of request: Int32) -> Int32 {
        let mask = entries.count &- 1
        var index = Int(request) & mask
        while entries[index].slot != RequestTable.none {
            if entries[index].request == request { return entries[index].slot }
            index = (index &+ 1) & mask
        }
        return RequestTable.none
    }

    /// Precondition: `slot` is not negative.
    mutating func set(_ request: Int32, slot: Int32) {
        precondition(slot >= 0)
        if (live + 1) * 2 > entries.count { rebuild(capacity: entries.count * 2) { _ in true } }
        insert(Entry(request: request, slot: slot))
    }

    mutating func remove(_ request: Int32) {
        guard slot(of: request) != RequestTable.none else { return }
        rebuild(capacity: entries.count) { $0 != request }
    }

    mutating func removeAll() { rebuild(capacity: entries.count) { _ in false } }

    private mutating func insert(_ entry: Entry) {
        let mask = entries.count - 1
        var index = Int(entry.request) & mask
        while entries[index].slot != RequestTable.none, entries[index].request != entry.request {
            index = (index + 1) & mask
        }
        if entries[index].slot == RequestTable.none { live += 1 }
        entries[index] = entry
    }

    private mutating func rebuild(capacity: Int, keeping keep: (Int32) -> Bool) {
        let kept = entries.filter { $0.slot != RequestTable.none && keep($0.request) }
        entries = [Entry](repeating: Entry(), count: capacity)
        live = 0
        for entry in kept { insert(entry) }
    }
}
