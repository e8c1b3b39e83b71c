internal import Ticks

/// Cuts a list of pieces into lists that fit one block each.
struct BlockGroups {
    struct Group {
        let pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
        let byteCount: Int
    }

    private let pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
    private let maxBytes: Int
    private var at = 0

    init(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, maxBytes: Int) {
        self.pieces = pieces
        self.maxBytes = maxBytes
    }

    mutating func next() -> Group? {
        guard at < pieces.count else { return nil }
        let start = at
        var bytes = 0
        while at < pieces.count, at - start < LogWriter.maxPieces {
            let piece = pieces[at].count
            precondition(piece <= maxBytes, "a piece fits one block")
            if bytes + piece > maxBytes { break }
            bytes += piece
            at += 1
        }
        return Group(pieces: UnsafeBufferPointer(rebasing: pieces[start..<at]), byteCount: bytes)
    }
}

/// The stream and position of the last record of a piece.
struct LastRecord {
    let stream: StreamID
    let position: StreamPosition

    init?(of piece: UnsafeRawBufferPointer) {
        guard piece.count >= Tick.size else { return nil }
        let tick = Tick(decoding: piece, at: piece.count - Tick.size)
        guard let stream = tick.stream else { return nil }
        self.stream = stream
        position = StreamPosition(tick)
    }
}
