internal import JSON
internal import TickStore
internal import Ticks

/// An explanation as `ib-stream explain` prints it.
enum ExplainText {
    static func text(_ explanation: Explanation, _ place: RecordPlace?, _ vacancy: Vacancy?) -> String {
        let span = GapTable.duration(explanation.aroundNanos)
        var text = "\(explanation.stream) at \(Timestamp.text(explanation.momentNanos)), \(span) before and after\n"
        text += "file: \(name(place))\n"
        text += "before: \(side(explanation.before))\nafter: \(side(explanation.after))\n"
        if let vacancy { text += self.text(vacancy) }
        let events = explanation.events
        guard !events.isEmpty else { return text + (vacancy == nil ? "nothing out of the ordinary\n" : "") }
        text += "\n"
        text += TextTable.text(
            ["TIME", "KEY", "EVENT", "WHAT"],
            events.map { [Timestamp.text($0.timeNanos), "\($0.key)", name($0), detail($0)] }, rightAligned: [])
        if explanation.omitted > 0 { text += "... and \(explanation.omitted) more\n" }
        return text
    }

    private static func text(_ vacancy: Vacancy) -> String {
        func time(_ nanos: Int64?) -> String { nanos.map { Timestamp.text($0) } ?? "none" }
        return "no tick is recorded of this time: the nearest before: \(time(vacancy.beforeNanos)), behind: "
            + "\(time(vacancy.afterNanos))\ncause: \(vacancy.cause ?? "not known: no gap is recorded there")\n"
    }

    private static func name(_ place: RecordPlace?) -> String {
        switch place {
        case .segment(let path): "\(path) (sealed)"
        case .part(let path): "\(path) (open log, durable)"
        case nil: "none: no live tick is recorded in this time"
        }
    }

    /// The rate is that of the time which has data: neither the future nor what
    /// lies before the recording makes it less.
    private static func side(_ side: Explanation.Side) -> String {
        var text = "\(side.ticks) live ticks"
        if let rate = side.ticksPerSecond {
            let tenths = Int64((rate * 10).rounded())
            text += " in \(GapTable.duration(side.coveredNanos)) (\(tenths / 10).\(tenths % 10) a second)"
        }
        return text + ", \(side.healed) healed"
    }

    private static func name(_ event: Explanation.Event) -> String {
        switch event.what {
        case .marker(let tick): tick.marker?.event?.name.description ?? "marker"
        case .epoch: "epoch"
        case .silence: "silence"
        case .gap: "gap"
        }
    }

    private static func detail(_ event: Explanation.Event) -> String {
        switch event.what {
        case .marker(let tick): detail(tick)
        case .epoch(let from, let to): "numbers begin anew: epoch \(from) to \(to)"
        case .silence(let to): "no live tick for \(GapTable.duration(to - event.timeNanos))"
        case .gap(let gap): detail(gap)
        }
    }

    private static func detail(_ tick: Tick) -> String {
        guard let marker = tick.marker else { return "" }
        let text = String(decoding: marker.text, as: UTF8.self)
        switch marker.event {
        case .heal:
            let end = HealRun.read(text).toSeconds.map { Timestamp.text($0 &* 1_000_000_000, digits: 0) } ?? text
            return "\(marker.code) ticks up to \(end), of the gap \(marker.ref)"
        case .healEnd: return "\(marker.code) ticks: \(text), of the gap \(marker.ref)"
        case .epochBegun:
            guard marker.ref != .zero else { return "\(text), no key before is known" }
            return "\(text), after \(marker.ref)" + (marker.code == MarkerBody.uncertainEnd ? " or later" : "")
        default: break
        }
        var parts: [String] = []
        if !text.isEmpty { parts.append(text) }
        if marker.code != 0 { parts.append("\(marker.event == .subscribed ? "request" : "code") \(marker.code)") }
        switch marker.event {
        case .lost: parts.append("keys \(TickKey.rangeText(marker.ref, tick.key))")
        case .gapClosed: parts.append("of the gap \(marker.ref)")
        default: break
        }
        return parts.joined(separator: ", ")
    }

    private static func detail(_ gap: Gap) -> String {
        let length = gap.fromNanos == nil ? "its beginning is not known" : GapTable.length(gap)
        let unknown = gap.isClosed ? "closed, its end is not known" : "still open"
        let end = gap.toNanos.map { "to \(Timestamp.text($0)) (\(length))" } ?? unknown
        var text = "\(end), \(gap.state.rawValue): \(gap.cause)"
        if gap.healedTicks > 0 { text += "; \(gap.healedTicks) ticks healed, runs: \(gap.runs.count)" }
        if let lost = gap.lostKeys { text += "; lost keys \(TickKey.rangeText(lost.lowerBound, lost.upperBound))" }
        return text
    }

    // MARK: -

    static func json(_ explanation: Explanation, _ place: RecordPlace?, _ vacancy: Vacancy?) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("stream", explanation.stream.description)
            writer.field("time", Timestamp.text(explanation.momentNanos))
            writer.field("around_nanos", explanation.aroundNanos)
            writer.field("file", place.map { .string($0.path) } ?? .null)
            writer.field("sealed", place.map { if case .segment = $0 { .bool(true) } else { .bool(false) } } ?? .null)
            writer.field("before") { write(explanation.before, to: &$0) }
            writer.field("after") { write(explanation.after, to: &$0) }
            writer.field("events") { writer in
                writer.array { writer in for event in explanation.events { write(event, to: &writer) } }
            }
            writer.field("omitted", explanation.omitted)
            writer.field("vacant") { writer in
                guard let vacancy else { return writer.null() }
                writer.object { writer in
                    writer.field("before", vacancy.beforeNanos.map { .string(Timestamp.text($0)) } ?? .null)
                    writer.field("after", vacancy.afterNanos.map { .string(Timestamp.text($0)) } ?? .null)
                    writer.field("cause", vacancy.cause.map { .string($0) } ?? .null)
                }
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }

    private static func write(_ side: Explanation.Side, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("ticks", side.ticks)
            writer.field("healed", side.healed)
            writer.field("covered_nanos", side.coveredNanos)
            writer.field("ticks_per_second", side.ticksPerSecond.map { .number($0) } ?? .null)
        }
    }

    private static func write(_ event: Explanation.Event, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("time", Timestamp.text(event.timeNanos))
            writer.field("key", event.key.rawValue)
            writer.field("event", name(event))
            switch event.what {
            case .marker(let tick):
                writer.field("code", tick.marker?.code ?? 0)
                writer.field("ref", tick.marker?.ref.rawValue ?? 0)
                writer.field("text", String(decoding: tick.marker?.text ?? [], as: UTF8.self))
            case .epoch(let from, let to):
                writer.field("from", from)
                writer.field("to", to)
            case .silence(let to): writer.field("to", Timestamp.text(to))
            case .gap(let gap): writer.field("gap") { gap.write(to: &$0, withStream: false) }
            }
        }
    }
}
