internal import Glibc
internal import Ticks

/// What the list of sealed files adds: files that are gone, whatever the files beside them tell.
extension Verify {
    /// A segment begins: the stream's files in front of it that did not come.
    mutating func takeMissing(inFrontOf name: SegmentName, _ footer: SegmentFooter?) throws(StoreError) {
        guard chain != nil else { return }
        if let footer, footer.stream == name.stream, try chain?.isListed(name, footer) == false {
            problem("\(path): is not the file that the list of sealed files has")
        }
        take(try chain?.absences(inFrontOf: name, footer) ?? [])
    }

    /// The log begins: sealed files that did not come. Some of their records may still be in the log, which its first table tells.
    mutating func takeMissing(inFrontOf table: KeyTable?) throws(StoreError) {
        guard chain != nil, !hasLogBegun else { return }
        hasLogBegun = true
        oldestTable = table
        let absences = try chain?.remainingAbsences { entry in
            guard let table else { return false }
            return table.positions[entry.stream]?.key ?? .zero < entry.firstKey
        }
        take(absences ?? [])
    }

    /// All was read.
    mutating func endChain() throws(StoreError) {
        guard chain != nil else { return }
        if !hasLogBegun { try takeMissing(inFrontOf: nil) }
        let table = oldestTable
        let problems = try chain?.problems { name, lastKey in
            table.map { $0.positions[name.stream]?.key ?? .zero >= lastKey } ?? true
        }
        for text in (problems ?? []) + (try chain?.goneDefinitions() ?? []) { problem(text) }
        try checkNewest()
        report.hasNoList = chain?.isOld == true
    }

    /// The log's newest part has to be there: no other file tells of it.
    private mutating func checkNewest() throws(StoreError) {
        guard let directory = strayPlaces.log ?? chain?.logDirectory else { return }
        let path = NewestPart.path(in: directory)
        switch try NewestPart.read(in: directory) {
        case .damaged:
            usleep(100_000)
            if try NewestPart.read(in: directory) == .damaged { problem("\(path): is damaged") }
        case .missing:
            // It is written as soon as something in a part is durable.
            guard chain?.hasList == true, let part = try PartName.listIfAny(directory).last else { return }
            let slots = PartName.durablePath(ofLog: part.path(in: directory))
            guard try DurableSlots.read(slots, partID: nil).durableTo > 0 else { return }
            // A moment later than the slots: a recording may just be beginning.
            for _ in 0..<10 where try NewestPart.read(in: directory) == .missing { usleep(100_000) }
            if try NewestPart.read(in: directory) == .missing { problem("\(path): is gone") }
        case .part(let newest):
            if let gone = try NewestPart.gone(in: directory) {
                return problem("\(gone.path(in: directory)): the newest part of the log is gone")
            }
            guard let name = try PartName.listIfAny(directory).last, name.number == newest.number else { return }
            let part = name.path(in: directory)
            let slots = PartName.durablePath(ofLog: part)
            // The part goes before its slots, where it was sealed meanwhile.
            guard try !DurableSlots.read(slots, partID: nil).isKnown, access(part, F_OK) == 0 else { return }
            problem("\(slots): is gone or damaged")
        }
    }

    /// Files that are gone, each stream's in order: neighbours are one range of missing keys.
    private mutating func take(_ absences: [SealedChain.Absence]) {
        var range: (stream: StreamID, keys: ClosedRange<TickKey>, untilNanos: Int64)?
        func end(_ absence: SealedChain.Absence) -> Int64 {
            let (nanos, overflow) = (absence.entry.hour + 1).multipliedReportingOverflow(by: 3_600_000_000_000)
            return overflow ? 0 : nanos
        }
        func told() { if let range { missing(range.stream, range.keys, until: range.untilNanos) } }
        for absence in absences {
            let entry = absence.entry
            let known = max(last[entry.stream] ?? .zero, entry.firstKey > .zero ? entry.firstKey.previous : .zero)
            guard entry.firstKey > .zero, let keys = MissingKeys.range(after: known, upTo: entry.lastKey) else {
                problem("\(absence.path): a sealed file is gone")
                continue
            }
            last[entry.stream] = entry.lastKey
            if let before = range, before.stream == entry.stream, before.keys.upperBound == known {
                range = (entry.stream, before.keys.lowerBound...keys.upperBound, end(absence))
            } else {
                told()
                range = (entry.stream, keys, end(absence))
            }
        }
        told()
    }
}
