internal import JSON
internal import Messaging

/// The instruments' definitions: published when they come and when somebody subscribes. The recorder, one of the
/// subscribers, keeps them in `<state>/definitions/<con_id>.json`, from where they come back after a restart. Never a
/// precondition for recording. Owner: the session thread.
struct DefinitionStore {
    /// A definition is sent again for a new subscriber at most this often per topic.
    private static let repeatNanos: Int64 = 1_000_000_000

    private struct Entry {
        let topic: Topic
        var json: JSONValue
        var sentNanos: Int64
    }

    private var entries: [Int32: Entry] = [:]
    /// Definitions that new subscribers wait for, with the time at which they may be sent.
    private var due: [Int32: Int64] = [:]

    /// Takes what an earlier run kept, unless the gateway has told something newer already.
    mutating func add(kept json: JSONValue, conId: Int32) {
        guard entries[conId] == nil else { return }
        entries[conId] = Entry(topic: topic(conId), json: json, sentNanos: .min)
    }

    subscript(conId: Int32) -> JSONValue? { entries[conId]?.json }

    var conIds: [Int32] { entries.keys.sorted() }

    /// Takes a fresh definition and queues it for publication.
    mutating func put(_ json: JSONValue, conId: Int32, nowNanos: Int64) {
        entries[conId] = Entry(topic: topic(conId), json: json, sentNanos: entries[conId]?.sentNanos ?? .min)
        due[conId] = nowNanos
    }

    /// Somebody subscribed to a topic: every definition that it covers is sent (again), at most once a second.
    mutating func subscribed(to prefix: UnsafeRawBufferPointer, nowNanos: Int64) {
        let wanted = String(decoding: prefix, as: UTF8.self)
        for (conId, entry) in entries where entry.topic.description.hasPrefix(wanted) {
            let earliest = entry.sentNanos == .min ? nowNanos : entry.sentNanos + DefinitionStore.repeatNanos
            due[conId] = min(due[conId] ?? .max, max(nowNanos, earliest))
        }
    }

    /// The definitions whose time has come.
    mutating func takeDue(nowNanos: Int64) -> [(Topic, [UInt8])] {
        guard !due.isEmpty else { return [] }
        var messages: [(Topic, [UInt8])] = []
        for (conId, time) in due where time <= nowNanos {
            due[conId] = nil
            guard let entry = entries[conId] else { continue }
            entries[conId]?.sentNanos = nowNanos
            messages.append((entry.topic, entry.json.encoded))
        }
        return messages
    }

    private func topic(_ conId: Int32) -> Topic { Topic("definition.\(conId)") }
}
