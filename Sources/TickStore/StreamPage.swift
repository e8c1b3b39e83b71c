public import Ticks

/// How a request for a page of one stream ended.
public struct StreamPage: Sendable, Equatable {
    /// The first key not given: where the next request begins.
    public var next: TickKey
    /// Set when the wanted key is gone: the first key that is not. Then the page has no records and `next` is the same.
    public var goneFirst: TickKey?
    public var records: Int

    public init(next: TickKey, goneFirst: TickKey? = nil, records: Int = 0) {
        self.next = next
        self.goneFirst = goneFirst
        self.records = records
    }

    static func gone(_ first: TickKey) -> StreamPage { StreamPage(next: first, goneFirst: first) }

    /// The most records that one call of an `emit` closure gets.
    public static let batchRecords = 256
}

/// Puts a page together: gives records in batches of at most 256 and keeps `more` records beside their tick.
struct PageBuilder {
    let limit: Int
    private(set) var records = 0
    /// True when the next tick with its `more` records would go beyond the limit.
    private(set) var isFull = false

    init(limit: Int) { self.limit = max(1, limit) }

    /// Gives as much of `run` as the page takes and returns how many records that was.
    mutating func give(_ run: UnsafeBufferPointer<Tick>, to emit: (UnsafeBufferPointer<Tick>) -> Void) -> Int {
        var given = 0
        while given < run.count, !isFull {
            let rest = UnsafeBufferPointer(rebasing: run[given...])
            let count = rest.prefixWithoutParting(min(StreamPage.batchRecords, limit - records))
            if records > 0, records + count > limit {
                isFull = true
                break
            }
            emit(UnsafeBufferPointer(rebasing: rest[..<count]))
            given += count
            records += count
            isFull = records >= limit
        }
        return given
    }
}
