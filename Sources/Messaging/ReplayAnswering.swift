public import Ticks

/// A page that a reader gave: the first key not given, and, when the wanted key was gone, the first that is not.
public struct ReplayPage: Sendable {
    public let next: TickKey
    public let goneFirst: TickKey?

    public init(next: TickKey, goneFirst: TickKey?) {
        self.next = next
        self.goneFirst = goneFirst
    }
}

extension ReplayRequest {
    /// Answers this request from a reader of pages, in the protocol's order: `gone` where the wanted key is gone, then
    /// the records from the first one there is.
    ///
    /// - firstKey: the first record received at a time or later, nil when there is none yet (answered with an empty
    ///   page whose next key is 0: there is none to go on from).
    /// - read: gives records from a key on, in runs; gives none when it reports a key as gone.
    public func answer<Failure: Error>(
        into sink: inout ReplaySink, firstKey: (Int64) throws(Failure) -> TickKey?,
        read: (TickKey, (UnsafeBufferPointer<Tick>) -> Void) throws(Failure) -> ReplayPage
    ) throws(ReplayRefusal) -> TickKey {
        do throws(Failure) {
            let from: TickKey
            switch self.from {
            case .key(let key): from = key
            case .time(let nanos):
                guard let first = try firstKey(nanos) else { return .zero }
                from = first
            }
            let page = try read(from) { sink.send(UnsafeRawBufferPointer($0)) }
            guard let first = page.goneFirst else { return page.next }
            sink.gone(first: first)
            // Gone again while it was being read: the next request hears of it.
            return try read(first) { sink.send(UnsafeRawBufferPointer($0)) }.next
        } catch {
            throw ReplayRefusal("\(error)")
        }
    }
}
