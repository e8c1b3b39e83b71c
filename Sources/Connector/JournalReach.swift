internal import Glibc

/// How fast the journal fills, and what its room means in seconds. Pure; the session thread counts once a second.
struct JournalReach {
    /// Over about so many seconds the rate is smoothed.
    private static let smoothingSeconds = 10.0
    /// Nothing reaches so far that anybody would care: 11 days.
    private static let longestSeconds = 1_000_000.0

    private var bytesPerSecond: Double?
    private var countedBytes: UInt64?
    private var countedNanos: Int64 = 0

    /// - appendedBytes: in all, since the start.
    mutating func count(appendedBytes: UInt64, nowNanos: Int64) {
        defer {
            countedBytes = appendedBytes
            countedNanos = nowNanos
        }
        guard let countedBytes, nowNanos > countedNanos, appendedBytes >= countedBytes else { return }
        let seconds = Double(nowNanos - countedNanos) / 1e9
        let rate = Double(appendedBytes - countedBytes) / seconds
        let old = bytesPerSecond ?? rate
        bytesPerSecond = old + (rate - old) * (1 - exp(-seconds / Self.smoothingSeconds))
    }

    /// How long it takes to write so much at the present rate; nil: the rate is not
    /// known, or so low that it does not matter.
    func seconds(of bytes: UInt64) -> Int64? {
        guard let bytesPerSecond, bytesPerSecond > 0 else { return nil }
        let seconds = Double(bytes) / bytesPerSecond
        return seconds < Self.longestSeconds ? Int64(seconds) : nil
    }
}
