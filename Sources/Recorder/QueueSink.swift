internal import Ticks

/// Fills commit blocks and hands them over: the sequencer's way to the write thread. Owner: the ingest thread.
struct QueueSink: CommitSink, ~Copyable {
    /// A run is cut at this length, so that a page of held records leaves little of a block unused.
    private static let longestRun = 256

    private let queue: CommitQueue
    private var block: CommitBlock?
    private var freeBlocks: Int
    /// Disk failures that this side has answered by going back to the durable records.
    private(set) var generation: Int

    /// - generation: of the positions that the sequencer begins with.
    init(_ queue: CommitQueue, generation: Int) {
        self.queue = queue
        freeBlocks = queue.freeBlocks
        self.generation = generation
    }

    /// The blocks go round for ever: an ingest thread that ends leaves none behind.
    deinit {
        if let block { queue.giveBack(block) }
    }

    /// Looks again how many blocks the write thread has given back.
    mutating func refresh() { freeBlocks = queue.freeBlocks }

    /// What surely fits: a run may leave up to `longestRun` records of a block unused.
    var freeRecords: Int {
        max(0, freeInBlock - QueueSink.longestRun) + freeBlocks * (CommitBlock.capacity - QueueSink.longestRun)
    }

    private var freeInBlock: Int {
        switch block {
        case .some(let block): block.free
        case .none: 0
        }
    }

    /// Nothing waits to be handed over.
    var isEmpty: Bool {
        switch block {
        case .some(let block): block.count == 0
        case .none: true
        }
    }

    mutating func commit(_ records: UnsafeBufferPointer<Tick>, slot: Int) {
        guard let stream = records[0].stream else { preconditionFailure("the sequencer commits records of streams") }
        var start = 0
        while start < records.count {
            let cut = groupEnd(records, from: start, atMost: QueueSink.longestRun)
            // A tick's `more` records are at most 36, far from the limit; a page that breaks this is parted, not lost.
            let end = cut > start ? cut : min(start + QueueSink.longestRun, records.count)
            append(UnsafeBufferPointer(rebasing: records[start..<end]), of: stream)
            start = end
        }
    }

    private mutating func append(_ run: UnsafeBufferPointer<Tick>, of stream: StreamID) {
        if freeInBlock < run.count { handOver(commit: false) }
        if block == nil {
            block = queue.takeFree()
            freeBlocks -= 1
            block?.generation = generation
        }
        guard block != nil else { preconditionFailure("the sequencer commits no more than there is room for") }
        block?.append(run, of: stream)
    }

    /// Gives the block to the write thread; with `commit` it and everything before it is made durable at once.
    mutating func handOver(commit: Bool) {
        guard !isEmpty, var full = block.take() else { return }
        full.isCommit = commit
        queue.handOver(full)
    }

    /// The disk failed: what is in the block comes again by replay.
    mutating func forget(generation: Int) {
        self.generation = generation
        block?.removeAll()
        block?.generation = generation
    }
}

/// Where the piece that begins at `start` ends: at most `count` records, never between a record and the `more` behind
/// it. It is empty (`start`) when the first record and its `more` records alone are longer than that.
func groupEnd(_ records: UnsafeBufferPointer<Tick>, from start: Int, atMost count: Int) -> Int {
    var end = min(start + count, records.count)
    if end == records.count { return end }
    while end > start, records[end - 1].flags.contains(.moreFollows) { end -= 1 }
    return end
}
