internal import Glibc
internal import Ticks

/// How far the sealed files say that each stream is: what recovery takes where no part of the log can tell.
struct SegmentPositions {
    private(set) var positions: [StreamID: StreamPosition] = [:]
    /// Files that could not be read; an older one of the stream was taken instead.
    private(set) var findings: [LogFinding] = []

    private let workspace = SegmentWorkspace()

    /// Reads the newest sound file of every stream; memory grows with the streams, not with the files.
    init(ticksDirectory: String) throws(StoreError) {
        for contract in try SegmentPositions.names(ticksDirectory) where Int32(contract.prefix { $0 != "-" }) != nil {
            for kind in try SegmentPositions.names("\(ticksDirectory)/\(contract)") {
                _ = try findNewest("\(ticksDirectory)/\(contract)/\(kind)", depth: 0)
            }
        }
    }

    /// Goes down years, months, days and hours, the latest first. True once a file was read.
    private mutating func findNewest(_ path: String, depth: Int) throws(StoreError) -> Bool {
        if depth == 4 { return try take(path) }
        for name in try SegmentPositions.names(path).reversed() {
            if try findNewest("\(path)/\(name)", depth: depth + 1) { return true }
        }
        return false
    }

    private mutating func take(_ path: String) throws(StoreError) -> Bool {
        guard SegmentName(path: path) != nil else { return false }
        do throws(StoreError) {
            var reader = try SegmentReader(path, workspace: workspace)
            reader.seek(key: reader.footer.lastKey)
            guard let last = try reader.next()?.last else { return false }
            let position = StreamPosition(last)
            if position.key > positions[reader.stream]?.key ?? .zero { positions[reader.stream] = position }
            return true
        } catch {
            switch error {
            case .notASegment, .damagedSegment:
                findings.append(
                    LogFinding(meaning: .corruption, path: path, range: 0..<(try File(path, O_RDONLY).size())))
                return false
            default: throw error
            }
        }
    }

    /// The names in a directory, in order; none when it is missing or is none.
    private static func names(_ path: String) throws(StoreError) -> [String] {
        do throws(StoreError) { return try Directory.names(path).sorted() } catch {
            if error.code == ENOENT || error.code == ENOTDIR { return [] }
            throw error
        }
    }
}
