internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The last work of the ingest thread: all that had been published when the stop came is made durable.
///
/// What lies in the socket's queue comes first, then what the journal's files hold. They are read here, since the
/// connector may have ended before: it does so when the whole system stops.
extension Ingest {
    /// Live messages taken at the end, at most; a connector that goes on would never let it end.
    private static let lastMessages: UInt64 = 100_000
    /// Records of one page.
    private static let pageRecords = 8192

    /// Ends when everything is durable, or the drain was given up.
    mutating func drain() throws {
        if replay.isOpen { giveUpFetch() }
        var reader = JournalReader(
            directory: journalDirectory,
            onSegment: { [task, queue] in
                task.progress.advance()
                queue.noteDrainProgress()
            })
        var isKnown = readTarget(&reader)
        // From here on only what becomes durable is progress: pages may come again after each failure of a disk.
        reader = JournalReader(directory: journalDirectory, onSegment: { [task] in task.progress.advance() })
        var wanted = setTarget()
        var pending = Array(wanted.keys)
        var liveIsOver = false
        let messagesBefore = messages
        while !queue.isAbandoned {
            task.progress.advance()
            sink.refresh()
            // What has been heard of is written in any case; it may not be all.
            if !isKnown, readTarget(&reader) {
                isKnown = true
                wanted = setTarget()
                pending = Array(wanted.keys)
            }
            if answerDiskFailures() { pending = Array(wanted.keys) }
            var worked = false
            if sink.freeRecords >= Ingest.reserve {
                if !liveIsOver {
                    let before = messages
                    try receiveLive()
                    worked = messages > before
                    liveIsOver = !worked || messages - messagesBefore > Ingest.lastMessages
                }
                sequencer.drainAll(sink: &sink)
                if liveIsOver { worked = try readPage(&pending, wanted, &reader) }
            }
            commitWhenDue()
            publishStatus()
            guard !worked else { continue }
            if pending.isEmpty {
                sink.handOver(commit: true)
                if isKnown, queue.isDurable(wanted) { return }
            }
            // Without room the bell rings when there is some.
            queue.forIngest.wait(millis: 20)
        }
    }

    /// Learns from the journal what there is. False when that is not known (yet): it
    /// can't be read, or knows less than was heard.
    private mutating func readTarget(_ reader: inout JournalReader) -> Bool {
        let fault: String?
        do throws(StoreError) {
            let keys = try reader.positions()
            sequencer.expect(keys)
            fault = DrainTarget.fault(
                journal: keys, heard: sequencer.highestKeys, epoch: sequencer.epoch,
                isWithdrawn: try reader.isWithdrawn())
        } catch {
            fault = DrainTarget.fault(error, epoch: sequencer.epoch)
        }
        noteJournal(fault, isEndKnown: fault == nil)
        return fault == nil
    }

    /// What has to become durable from now on: the newest key of every stream, as the
    /// journal has it or as the connector has said.
    private mutating func setTarget() -> [StreamID: TickKey] {
        let wanted = sequencer.highestKeys
        drainTarget = wanted
        queue.noteExpected(wanted)
        return wanted
    }

    /// It is tried again all the time, and said once.
    private mutating func noteJournal(_ fault: String?, isEndKnown: Bool) {
        queue.noteEnd(isKnown: isEndKnown, fault: fault)
        if let fault, fault != journalFault { log(.error, "not all is known that has to be written", ["why": fault]) }
        journalFault = fault
    }

    /// Reads the next page of a stream that is not complete yet. False when nothing came, or nothing is left to read.
    private mutating func readPage(
        _ pending: inout [StreamID], _ wanted: [StreamID: TickKey], _ reader: inout JournalReader
    ) throws -> Bool {
        while let stream = pending.last, sequencer.hasCommitted(stream, upTo: wanted[stream] ?? .zero) {
            pending.removeLast()
        }
        guard let stream = pending.last, let want = sequencer.openFetch(of: stream) else { return false }
        let limit = min(Ingest.pageRecords, sink.freeRecords - Ingest.reserve / 2)
        let before = sequencer.counters.replayed
        var fault: (any Error)?
        var isSound = true
        let page: StreamPage
        do throws(StoreError) {
            page = try reader.read(stream, from: want.from, limit: limit) { records in
                guard isSound, fault == nil else { return }
                do {
                    try checkOrigin(records)
                    isSound = sequencer.fetched(records, sink: &sink, nowNanos: realNanos())
                } catch {
                    fault = error
                }
            }
        } catch {
            noteJournal("the journal can't be read: \(error)", isEndKnown: true)
            sequencer.fetchFailed()
            return false
        }
        if let fault { throw fault }
        if journalFault != nil { noteJournal(nil, isEndKnown: true) }
        if let first = page.goneFirst {
            sequencer.fetchGone(first: first, sink: &sink, nowNanos: realNanos())
        }
        let gave = sequencer.counters.replayed - before
        let goesOn = sequencer.fetchEnded(
            sink: &sink, gave: Int(gave), nowNanos: bootNanos(), realNanos: realNanos())
        tellLosses()
        // What the journal does not have is asked for again, after the others, until it counts as lost.
        if gave == 0, page.goneFirst == nil, let last = pending.popLast() { pending.insert(last, at: 0) }
        return goesOn && gave > 0
    }
}
