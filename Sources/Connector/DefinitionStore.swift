internal import JSON
internal import Messaging
internal import Ticks

/// The instruments' definitions: published when they come and when somebody subscribes. The recorder, one of the
/// subscribers, keeps them in `<state>/definitions/`, from where they come back after a restart. Never a
/// precondition for recording. Owner: the session thread.
struct DefinitionStore {
    /// A definition is sent again for a new subscriber at most this often per topic.
    private static let repeatNanos: Int64 = 1_000_000_000

    private struct Entry {
        let topic: Topic
        var json: JSONValue
        var sentNanos: Int64
    }

    private var entries: [ContractID: Entry] = [:]
    /// Definitions that new subscribers wait for, with the time at which they may be sent.
    private var due: [ContractID: Int64] = [:]

    /// Takes what an earlier run kept, unless the gateway has told something newer already.
    mutating func add(kept json: JSONValue, contract: ContractID) {
        guard entries[contract] == nil else { return }
        entries[contract] = Entry(topic: topic(contract), json: json, sentNanos: .min)
    }

    subscript(contract: ContractID) -> JSONValue? { entries[contract]?.json }

    var contracts: [ContractID] { entries.keys.sorted() }

    /// Takes a fresh definition and queues it for publication.
    mutating func put(_ json: JSONValue, contract: ContractID, nowNanos: Int64) {
        entries[contract] = Entry(topic: topic(contract), json: json, sentNanos: entries[contract]?.sentNanos ?? .min)
        due[contract] = nowNanos
    }

    /// Somebody subscribed to a topic: every definition that it covers is sent (again), at most once a second.
    mutating func subscribed(to prefix: UnsafeRawBufferPointer, nowNanos: Int64) {
        let wanted = String(decoding: prefix, as: UTF8.self)
        for (contract, entry) in entries where entry.topic.description.hasPrefix(wanted) {
            let earliest = entry.sentNanos == .min ? nowNanos : entry.sentNanos + DefinitionStore.repeatNanos
            due[contract] = min(due[contract] ?? .max, max(nowNanos, earliest))
        }
    }

    /// The definitions whose time has come.
    mutating func takeDue(nowNanos: Int64) -> [(Topic, [UInt8])] {
        guard !due.isEmpty else { return [] }
        var messages: [(Topic, [UInt8])] = []
        for (contract, time) in due where time <= nowNanos {
            due[contract] = nil
            guard let entry = entries[contract] else { continue }
            entries[contract]?.sentNanos = nowNanos
            messages.append((entry.topic, entry.json.encoded))
        }
        return messages
    }

    private func topic(_ contract: ContractID) -> Topic { Topic("definition.\(contract)") }
}
