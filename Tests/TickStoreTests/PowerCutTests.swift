import Foundation
import Testing
import Ticks

@testable import TickStore

/// A power cut, imitated: of what was not synced the disk has any part, also none, and of files that nobody synced any
/// earlier state. What was reported as durable is there, and nothing that was not written.
@Suite struct PowerCutTests {
    /// The state of the log's files as a disk might have them after a cut.
    private struct Machine {
        let directory: String
        /// Every content that a sidecar had since it was last synced.
        var sidecars: [String: [[UInt8]]] = [:]
        /// How much of each part is on the device for certain.
        var synced: [String: Int] = [:]

        mutating func note(_ log: borrowing OpenLog, durable: Bool) throws {
            guard let part = log.part else { return }
            let path = directory + "/" + part.description
            if durable { synced[path] = Int(log.partEndOffset) }
            let sidecar = PartName.durablePath(ofLog: path)
            let content = FileManager.default.fileExists(atPath: sidecar) ? try bytes(of: sidecar) : []
            if sidecars[sidecar]?.last != content { sidecars[sidecar, default: []].append(content) }
        }

        /// The part is finished: what recovery and readers rely on was synced, sidecar included.
        mutating func finish(_ path: String) throws {
            let sidecar = PartName.durablePath(ofLog: path)
            sidecars[sidecar] = [try bytes(of: sidecar)]
        }

        /// Power off, and on again.
        mutating func cut(_ generator: inout SplitMix64) throws {
            for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
                let path = directory + "/" + name
                if name.hasSuffix(".log") {
                    let content = try bytes(of: path)
                    let safe = min(synced[path] ?? 0, content.count)
                    // The unsynced rest: some of its sectors, or a shorter file.
                    var rest = Array(content[safe...])
                    for sector in stride(from: 0, to: rest.count, by: 512) where Bool.random(using: &generator) {
                        for at in sector..<min(sector + 512, rest.count) { rest[at] = 0 }
                    }
                    if Bool.random(using: &generator) {
                        rest.removeLast(Int.random(in: 0...rest.count, using: &generator))
                    }
                    try write(Array(content[..<safe]) + rest, to: path)
                } else if let states = sidecars[path] {
                    guard let old = states.randomElement(using: &generator) else { continue }
                    if old.isEmpty {
                        try FileManager.default.removeItem(atPath: path)
                    } else {
                        try write(old, to: path)
                    }
                    sidecars[path] = [old]
                }
            }
        }
    }

    @Test(arguments: 0..<UInt64(isFull ? 400 : 60))
    func whatWasReportedIsThereAfterAnyCut(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let directory = try TemporaryDirectory(inMemory: true)
        let path = directory.file("log")
        var machine = Machine(directory: path)
        var written: UInt32 = 0
        var reported: UInt32 = 0
        for _ in 0..<4 {
            let recovery = try LogRecovery(directory: path)
            #expect(recovery.findings.allSatisfy { !$0.isAlarm })
            let position = recovery.positions[quotes]?.key.seq ?? 0
            #expect(position >= reported && position <= written, "nothing reported is lost, nothing invented")
            // All that recovery vouches for was made durable by it.
            for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.hasSuffix(".log") {
                let part = path + "/" + name
                machine.synced[part] = try bytes(of: part).count
                if FileManager.default.fileExists(atPath: PartName.durablePath(ofLog: part)) {
                    try machine.finish(part)
                }
            }
            written = position
            reported = position
            var log = OpenLog(directory: path, recovery: recovery)
            try log.beginPart(nowNanos: someNanos)
            try machine.note(log, durable: false)
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                switch Int.random(in: 0..<8, using: &generator) {
                case 0:
                    let finished = path + "/" + log.part!.description
                    try log.beginPart(nowNanos: someNanos)
                    reported = written
                    machine.synced[finished] = try bytes(of: finished).count
                    try machine.finish(finished)
                    try machine.note(log, durable: false)
                case 1...3:
                    try log.sync()
                    reported = written
                    try machine.note(log, durable: true)
                default:
                    let count = UInt32.random(in: 1...40, using: &generator)
                    try log.append(ticks(quotes, (written + 1)...(written + count)))
                    written += count
                }
            }
            try machine.cut(&generator)
        }
        // The end: once more from the disk, then all keys, each once.
        let recovery = try LogRecovery(directory: path)
        var log = OpenLog(directory: path, recovery: recovery)
        try log.beginPart(nowNanos: someNanos)
        let last = recovery.positions[quotes]?.key.seq ?? 0
        #expect(last >= reported)
        try log.append(ticks(quotes, (last + 1)...(last + 5)))
        try log.sync()
        let read = try TickReader.all(TickReader(stateDirectory: directory.path))
        #expect(read.ticks[quotes] == ticks(quotes, 1...(last + 5)))
        #expect(try Verify(stateDirectory: directory.path).run().isSound)
    }
}
