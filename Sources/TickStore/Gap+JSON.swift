public import JSON
public import Ticks

/// A gap as JSON: keys and nanoseconds are integers, what there is not is null. Runs are arrays
/// `[first key, last key, ticks, from second, to second, is whole]`, and where the ticks stand behind another marker
/// than the gap's first, the key of that one.
extension Gap {
    /// - Parameters:
    ///   - withStream: the first member names the stream.
    ///   - more: writes further members.
    public func write(
        to writer: inout JSONWriter, withStream: Bool, more: (inout JSONWriter) -> Void = { _ in }
    ) {
        writer.object { writer in
            if withStream { writer.field("stream", stream.description) }
            writer.field("key", key.rawValue)
            writer.field("state", state.rawValue)
            writer.field("cause", cause)
            writer.field("code", code)
            writer.field("from", Gap.json(fromNanos))
            writer.field("to", Gap.json(toNanos))
            writer.field("healed", healedTicks)
            writer.field("before") { Gap.write(before, to: &$0) }
            writer.field("after") { Gap.write(after, to: &$0) }
            writer.field("opened", openedRecvNanos)
            writer.field("subscribed", Gap.json(subscribedRecvNanos))
            writer.field("ended", Gap.json(endedRecvNanos))
            writer.field("last_marker", lastMarkerKey.rawValue)
            writer.field("lost") { writer in
                guard let lostKeys else { return writer.null() }
                writer.array { writer in
                    writer.value(lostKeys.lowerBound.rawValue)
                    writer.value(lostKeys.upperBound.rawValue)
                }
            }
            writer.field("runs") { writer in
                writer.array { writer in
                    for run in runs { Gap.write(run, to: &writer) }
                }
            }
            more(&writer)
        }
    }

    private static func json(_ number: Int64?) -> JSONValue { number.map { .integer($0) } ?? .null }

    private static func write(_ edge: StreamPosition?, to writer: inout JSONWriter) {
        guard let edge else { return writer.null() }
        writer.object { writer in
            writer.field("key", edge.key.rawValue)
            writer.field("ts_event", json(edge.tsEventNanos == Tick.noEventTime ? nil : edge.tsEventNanos))
            writer.field("ts_recv", edge.tsRecvNanos)
        }
    }

    private static func write(_ run: HealRun, to writer: inout JSONWriter) {
        writer.array { writer in
            writer.value(run.first.rawValue)
            writer.value(run.last.rawValue)
            writer.value(run.ticks)
            writer.value(json(run.fromSeconds))
            writer.value(json(run.toSeconds))
            writer.value(run.isWhole ? run.outcome?.rawValue ?? "more" : "torn")
            if let place = run.place { writer.value(place.rawValue) }
        }
    }

    /// Reads what `write` wrote; nil when it is anything else.
    public init?(_ json: JSONValue, stream: StreamID) {
        guard let key = json["key"].flatMap(Gap.key), let opened = json["opened"]?.integer,
            let cause = json["cause"]?.string, let code = json["code"]?.integer.flatMap({ Int32(exactly: $0) }),
            let lastMarker = json["last_marker"].flatMap(Gap.key), let entries = json["runs"]?.array
        else { return nil }
        var lost: ClosedRange<TickKey>?
        if let ends = json["lost"]?.array {
            guard ends.count == 2, let first = Gap.key(ends[0]), let last = Gap.key(ends[1]), first <= last else {
                return nil
            }
            lost = first...last
        }
        let before = json["before"].flatMap(Gap.edge)
        let subscribed = json["subscribed"]?.integer
        let isFirstLost = before == nil && subscribed == nil && lost?.contains(key) == true
        let runs = entries.compactMap(Gap.run)
        guard runs.count == entries.count else { return nil }
        self.init(
            stream: stream, key: key, lastMarkerKey: lastMarker, before: before,
            after: json["after"].flatMap(Gap.edge), openedRecvNanos: opened,
            subscribedRecvNanos: subscribed, endedRecvNanos: json["ended"]?.integer, cause: cause,
            code: code, lostKeys: lost, lostSinceNanos: isFirstLost ? json["from"]?.integer : nil, runs: runs)
    }

    private static func key(_ json: JSONValue) -> TickKey? { json.unsigned.map { TickKey(rawValue: $0) } }

    private static func edge(_ json: JSONValue) -> StreamPosition? {
        guard let key = json["key"].flatMap(Gap.key), let received = json["ts_recv"]?.integer else { return nil }
        return StreamPosition(
            key: key, tsEventNanos: json["ts_event"]?.integer ?? Tick.noEventTime, tsRecvNanos: received)
    }

    private static func run(_ json: JSONValue) -> HealRun? {
        guard let members = json.array, members.count >= 6, let first = key(members[0]), let last = key(members[1]),
            first <= last, let ticks = members[2].integer.flatMap({ Int(exactly: $0) }), let state = members[5].string
        else { return nil }
        return HealRun(
            first: first, last: last, ticks: ticks, fromSeconds: members[3].integer, toSeconds: members[4].integer,
            isWhole: state != "torn", outcome: GapState(rawValue: state),
            place: members.count > 6 ? key(members[6]) : nil)
    }
}
