internal import Messaging
internal import TickStore
internal import Ticks

/// The journal as a replay server's source.
struct JournalSource: ReplaySource, ~Copyable {
    private var reader: JournalReader

    init(reader: consuming JournalReader) { self.reader = reader }

    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey {
        do throws(StoreError) {
            let from = try start(of: request)
            let page = try send(request, from: from, into: &sink)
            guard let first = page.goneFirst else { return page.next }
            sink.gone(first: first)
            // Gone again while it was being read: the next request hears of it.
            return try send(request, from: first, into: &sink).next
        } catch {
            throw ReplayRefusal("\(error)")
        }
    }

    /// A time that is ahead of all records is answered from the journal's end on.
    private mutating func start(of request: ReplayRequest) throws(StoreError) -> TickKey {
        switch request.from {
        case .key(let key): return key
        case .time(let nanos):
            return try reader.firstKey(of: request.stream, receivedFromNanos: nanos) ?? TickKey(rawValue: .max)
        }
    }

    private mutating func send(
        _ request: ReplayRequest, from: TickKey, into sink: inout ReplaySink
    ) throws(StoreError) -> StreamPage {
        try reader.read(request.stream, from: from, limit: request.limit) { sink.send(UnsafeRawBufferPointer($0)) }
    }
}
