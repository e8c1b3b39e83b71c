internal import JSON
internal import TickStore
internal import Ticks

/// Data that is not there although no marker in the files tells of a gap.
struct Absence {
    enum State: String, CaseIterable {
        /// No tick of the stream, ever.
        case neverRecorded = "never_recorded"
        /// No tick of it in a part of the time that was asked for, before the first one.
        case notRecorded = "not_recorded"
        /// Keys that are neither recorded nor marked as lost: a file is gone, or a part of it.
        case missing
        /// A file, or bytes of it, can't be read: what stood there is not known.
        case damaged
        /// Published, and not durable; or nobody knows whether it is.
        case notDurable = "not_durable"
    }

    /// Nil: of any stream.
    var stream: StreamID?
    var state: State
    /// Nil: from the beginning, or not known.
    var fromNanos: Int64?
    /// Nil: until now, or not known.
    var toNanos: Int64?
    var cause: String
    var keys: KeyRange?

    /// It and a time have something in common; a time that is not known has.
    func overlaps(_ from: Int64, _ to: Int64) -> Bool { (toNanos ?? .max) >= from && (fromNanos ?? .min) < to }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("stream", stream.map { .string($0.description) } ?? .null)
            writer.field("state", state.rawValue)
            writer.field("cause", cause)
            writer.field("from", fromNanos.map { .integer($0) } ?? .null)
            writer.field("to", toNanos.map { .integer($0) } ?? .null)
            writer.field("keys") { writer in
                guard let keys else { return writer.null() }
                writer.array { writer in
                    writer.value(keys.first.rawValue)
                    writer.value(keys.last.rawValue)
                }
            }
        }
    }
}
