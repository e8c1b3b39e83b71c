internal import ServiceKit
internal import TickStore

/// The recorder's word on destroyed data: notes what is found, and tells the heartbeats what nobody has repaired or
/// acknowledged. Any thread that may wait for the disk.
struct DamageWatch: Sendable {
    private let notes: DamageNotes
    private let state: String
    private let facts: HeartbeatFacts
    /// A heartbeat has room for about 2,000 bytes in all.
    private static let toldBytes = 300

    init(_ paths: Paths, _ facts: HeartbeatFacts) {
        notes = DamageNotes(state: paths.state)
        state = paths.state
        self.facts = facts
        // Until the disk has been asked.
        facts.set("DAMAGE", "unknown")
    }

    /// Notes what was found. When that can't be written it is told as long as this process lives.
    func note(_ findings: [LogFinding]) {
        note(findings.filter(\.isAlarm).map { "\($0)" })
    }

    func note(_ texts: [String]) {
        guard !texts.isEmpty else { return }
        // Below the state directory, wherever that is mounted.
        let places = texts.map { $0.hasPrefix(state + "/") ? String($0.dropFirst(state.utf8.count + 1)) : $0 }
        do throws(FileError) { try notes.add(places, atNanos: realNanos()) } catch {
            log(.critical, "CRITICAL: destroyed data can't be noted in the state directory", ["why": "\(error)"])
            tell(places.count, places[0])
            return
        }
        look()
    }

    /// About once a second: somebody may have acknowledged it.
    func look() {
        do throws(FileError) {
            let open = try notes.open()
            tell(open.count, open.first?.text ?? "")
        } catch {
            tell(1, "\(error)")
        }
    }

    private func tell(_ count: Int, _ first: String) {
        let text = String(decoding: Array(first.utf8.prefix(DamageWatch.toldBytes)), as: UTF8.self)
        facts.set("DAMAGE", count == 0 ? "none" : "\(count): \(text)")
    }
}
