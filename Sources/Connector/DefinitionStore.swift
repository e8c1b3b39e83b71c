internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit

/// The instruments' definitions: kept in `<state>/definitions/<con_id>.json`, published when they come and when somebody
/// subscribes. Never a precondition for recording. Owner: the session thread.
struct DefinitionStore {
    /// A definition is sent again for a new subscriber at most this often per topic.
    private static let repeatNanos: Int64 = 1_000_000_000

    private struct Entry {
        let topic: Topic
        var json: JSONValue
        var sentNanos: Int64
    }

    private let directory: String
    private var entries: [Int32: Entry] = [:]
    /// Definitions that new subscribers wait for, with the time at which they may be sent.
    private var due: [Int32: Int64] = [:]

    init(directory: String) { self.directory = directory }

    /// Reads what an earlier run kept of these contracts. A file that can't be read is reported and asked for anew.
    mutating func load(_ conIds: [Int32]) {
        for conId in conIds {
            do {
                let bytes = try Files.read(path(conId), maxBytes: 1 << 20)
                let json = try bytes.withUnsafeBytes { try JSONValue(parsing: $0, maxBytes: 1 << 20) }
                entries[conId] = Entry(topic: topic(conId), json: json, sentNanos: .min)
            } catch let error as FileError where error.code == ENOENT {
                continue
            } catch {
                log(.warning, "a kept definition can't be read", ["path": path(conId), "why": "\(error)"])
            }
        }
    }

    subscript(conId: Int32) -> JSONValue? { entries[conId]?.json }

    var conIds: [Int32] { entries.keys.sorted() }

    /// Takes a fresh definition: keeps it on disk and queues it for publication.
    mutating func put(_ json: JSONValue, conId: Int32, nowNanos: Int64) {
        entries[conId] = Entry(topic: topic(conId), json: json, sentNanos: entries[conId]?.sentNanos ?? .min)
        due[conId] = nowNanos
        do {
            try Files.makeDirectory(directory)
            try Files.writeAtomically(json.encoded + [0x0A], to: path(conId), sync: false)
        } catch {
            log(.warning, "a definition can't be kept", ["path": path(conId), "why": "\(error)"])
        }
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
    private func path(_ conId: Int32) -> String { "\(directory)/\(conId).json" }
}
