internal import Ticks

/// Plays a replay file against the clock. Pure: time is passed in.
struct Replay: Sendable {
    /// Rows given out at most by one call, so that other clients are served in between.
    static let longestRun = 4_096

    let file: ReplayFile
    /// Position of the contract among the gateway's instruments.
    let instrument: Int
    /// File seconds a real second; 0 = as fast as the clients take them.
    let speed: Double
    private var position = 0
    private var startNanos: Int64?

    init(file: ReplayFile, instrument: Int, speed: Double) {
        self.file = file
        self.instrument = instrument
        self.speed = speed
    }

    var hasBegun: Bool { startNanos != nil }
    var isOver: Bool { position == file.rows.count }
    var played: Int { position }

    /// The second that is not over yet: historical requests see nothing from here on.
    var openSecond: UInt32 { isOver ? .max : file.rows[position].tick.seconds }

    /// Begins as soon as all kinds of the file are subscribed; keeps going whatever happens to the subscriptions then.
    mutating func offer(subscribed: Set<TickKind>, nowNanos: Int64) {
        if startNanos == nil, file.kinds.isSubset(of: subscribed) { startNanos = nowNanos }
    }

    /// The rows that are due and not given out yet. `hasRoom` = the clients' buffers can take more, which is what paces
    /// speed 0.
    mutating func take(nowNanos: Int64, hasRoom: Bool) -> ArraySlice<ReplayFile.Row> {
        guard let startNanos, !isOver else { return [] }
        let from = position
        let limit = min(file.rows.count, from + Replay.longestRun)
        if speed == 0 {
            if hasRoom { position = limit }
        } else {
            let reached = Double(nowNanos - startNanos) * speed
            while position < limit, Double(file.rows[position].timeNanos - file.rows[0].timeNanos) <= reached {
                position += 1
            }
        }
        return file.rows[from..<position]
    }
}
