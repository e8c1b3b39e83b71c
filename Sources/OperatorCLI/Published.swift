internal import Glibc
internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

/// How far every stream had been published at one moment: what a command that reads the recording measures it by. Taken
/// before the files are read.
struct Published {
    /// When that was, on the boot clock.
    let atNanos: Int64
    /// The newest key of every stream: as the journal's files have it, or as a running connector says.
    private(set) var keys: [StreamID: TickKey] = [:]
    /// The greatest epoch that a connector is known to have begun; 0: none.
    private(set) var epoch: UInt32 = 0
    /// What can't be known, in words.
    private(set) var doubts: [String] = []

    /// - Parameter journal: the journal's directory. One that is not there holds nothing: after a restart of the
    ///   machine there is none, and a copy of a recording has none.
    init(journal: String, paths: Paths) {
        atNanos = bootNanos()
        var isWithdrawn = false
        do throws(StoreError) {
            keys = try JournalReader.positions(in: journal)
            isWithdrawn = try JournalReader.isWithdrawn(in: journal)
        } catch {
            if error.code != ENOENT {
                doubts.append("the journal can't be read, so that nobody knows what it has more: \(error)")
            }
        }
        for directory in Set([paths.runtime, paths.state]).sorted() {
            do throws(FileError) {
                epoch = max(epoch, try EpochFile.read(in: directory) ?? 0)
            } catch {
                doubts.append("the newest epoch can't be read, so that nobody knows whether it is recorded: \(error)")
            }
        }
        let told = Published.told(paths)
        if isWithdrawn, told.isEmpty {
            doubts.append("the journal was not given all that was published, so that nobody knows what there was more")
        }
        add(told)
    }

    /// For tests of what follows from it.
    init(atNanos: Int64, keys: [StreamID: TickKey], epoch: UInt32 = 0, doubts: [String] = []) {
        (self.atNanos, self.keys, self.epoch, self.doubts) = (atNanos, keys, epoch, doubts)
    }

    private mutating func add(_ told: [StreamID: TickKey]) {
        for (stream, key) in told { keys[stream] = max(keys[stream] ?? .zero, key) }
        epoch = keys.values.reduce(epoch) { max($0, $1.epoch) }
    }

    /// What a running connector has numbered; nothing when it does not answer, or begins an epoch just now.
    private static func told(_ paths: Paths) -> [StreamID: TickKey] {
        func epoch() -> UInt32? {
            ServiceAnswer.ask("connector", "status", paths)?["epoch"]?.integer.flatMap { UInt32(exactly: $0) }
        }
        guard let before = epoch(), let streams = ServiceAnswer.ask("connector", "streams", paths)?["streams"]?.object,
            epoch() == before
        else { return [:] }
        var keys: [StreamID: TickKey] = [:]
        for member in streams.members {
            guard let stream = StreamID(member.name),
                let seq = member.value["seq"]?.integer.flatMap({ UInt32(exactly: $0) }), seq > 0
            else { continue }
            keys[stream] = TickKey(epoch: before, seq: seq)
        }
        return keys
    }
}
