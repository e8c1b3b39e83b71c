internal import Ticks

/// Memory that writers and readers of segments need while they work on one block. Many of them may share one, on one
/// thread. About 5 MiB once all of it has been used.
public final class SegmentWorkspace {
    /// The most that a workspace grows to.
    public static let memoryBytes = 6 << 20

    private var encoder: SegmentBlockEncoder?
    private var decoder: SegmentBlockDecoder?
    private var glance: SegmentGlance?
    private let buffer = Scratch()

    public init() {}

    /// The block of these records; valid until the workspace is used again.
    func encode(
        _ ticks: UnsafeBufferPointer<Tick>, of stream: StreamID, segmentID: UInt32
    ) -> UnsafeRawBufferPointer {
        if encoder == nil { encoder = SegmentBlockEncoder() }
        return encoder!.encode(ticks, of: stream, segmentID: segmentID)
    }

    /// Decodes the block at the beginning of `bytes` into `ticks`; see `SegmentBlockDecoder`.
    func decode(
        block bytes: UnsafeRawBufferPointer, of stream: StreamID, segmentID: UInt32?,
        into ticks: UnsafeMutableBufferPointer<Tick>
    ) -> SegmentBlock? {
        if decoder == nil { decoder = SegmentBlockDecoder() }
        return decoder!.decode(block: bytes, of: stream, segmentID: segmentID, into: ticks)
    }

    /// Looks whether a block may have a live tick that counts by an event time of the window; see `SegmentGlance`.
    func mayHold(_ window: TimeWindow, blockAt range: Range<UInt64>, of file: File) throws(StoreError) -> Bool {
        if glance == nil { glance = SegmentGlance() }
        return try glance!.mayHold(window, blockAt: range, of: file)
    }

    /// Room for the bytes of a block.
    func room(_ count: Int) -> UnsafeMutableRawBufferPointer { buffer.room(count) }
}
