internal import Ticks

/// Decides which of the gateway's codes are told, to the log and to the feed: the same code and text of the same stream
/// once a minute, and not more than `capacity` different ones in a minute. The others are counted. Pure.
///
/// A gateway that repeated one code as fast as it could filled the journal with 12.7 MB a second.
struct NoticeLimiter {
    static let windowNanos: Int64 = 60_000_000_000
    static let capacity = 512
    /// Of a text; two that begin alike for so long are the same.
    private static let comparedCharacters = 256

    struct Notice: Hashable {
        let code: Int32
        let text: String
        let stream: StreamID?

        init(code: Int32, text: String, stream: StreamID?) {
            self.code = code
            self.text = String(text.prefix(NoticeLimiter.comparedCharacters))
            self.stream = stream
        }
    }

    /// What is to be said once a notice's minute is over.
    struct Repeats: Equatable {
        /// Nil for those that were different and too many.
        let notice: Notice?
        let times: Int
    }

    private struct Window {
        let sinceNanos: Int64
        var repeats = 0
    }

    private var windows: [Notice: Window] = [:]
    private var excess = 0
    private var excessSinceNanos: Int64 = 0

    /// True when the notice is to be told; else it has been counted.
    mutating func tells(_ notice: Notice, nowNanos: Int64) -> Bool {
        if windows[notice] != nil {
            windows[notice]?.repeats += 1
            return false
        }
        guard windows.count < Self.capacity else {
            if excess == 0 { excessSinceNanos = nowNanos }
            excess += 1
            return false
        }
        windows[notice] = Window(sinceNanos: nowNanos)
        return true
    }

    /// Ends the minutes that are over; returns what was not told in them. Once a second.
    mutating func takeEnded(nowNanos: Int64) -> [Repeats] {
        var ended: [Repeats] = []
        for (notice, window) in windows where nowNanos - window.sinceNanos >= Self.windowNanos {
            windows[notice] = nil
            if window.repeats > 0 { ended.append(Repeats(notice: notice, times: window.repeats)) }
        }
        if excess > 0, nowNanos - excessSinceNanos >= Self.windowNanos {
            ended.append(Repeats(notice: nil, times: excess))
            excess = 0
        }
        return ended
    }
}
