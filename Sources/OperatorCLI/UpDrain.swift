internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit

/// The recorder's last work when the whole system ends, as `up` sees it: asks once a second what
/// is left and tells it. Main thread only.
struct UpDrain {
    private let paths: Paths
    private let beganNanos: Int64
    private var client: StatusClient?
    private var nextNanos: Int64
    private var first: (left: UInt64, atNanos: Int64)?
    /// Ticks that are not durable, as the recorder last said; nil: it said nothing.
    private(set) var left: UInt64?
    /// When it last got on.
    private(set) var movedNanos: Int64
    private var durable: UInt64?
    private var isAbandoned = false

    private static let lookNanos: Int64 = 1_000_000_000
    /// An ordinary end is over before there is anything to tell.
    private static let quietNanos: Int64 = 1_500_000_000

    init(paths: Paths, nowNanos: Int64) {
        self.paths = paths
        beganNanos = nowNanos
        movedNanos = nowNanos
        nextNanos = nowNanos + Self.lookNanos / 2
    }

    /// Call it often; it asks once a second while the recorder runs.
    ///
    /// - services: those that still run.
    mutating func look(services: [String], _ display: inout UpDisplay, nowNanos now: Int64) {
        guard services.contains("ib-recorder"), now >= nextNanos else { return }
        nextNanos = now + Self.lookNanos
        // Not before the connector has ended: a recorder that ends before it would not know of its last ticks.
        if isAbandoned, !services.contains("ib-connector") { endRecorder() }
        if client == nil { client = StatusClient(socket: paths.recorderSocket) }
        guard let status = client?.ask(), let left = status["backlog"]?.unsigned else { return }
        let durable = status["durable"]?.unsigned
        if left != self.left || durable != self.durable { movedNanos = now }
        self.left = left
        self.durable = durable
        guard left > 0, now - beganNanos >= Self.quietNanos else { return }
        if first == nil { first = (left, now) }
        display.tellProgress("recorder: \(grouped(left)) ticks to write" + timeLeft(left, now))
    }

    /// `, 12 s`; empty while nothing can be said.
    private func timeLeft(_ left: UInt64, _ now: Int64) -> String {
        guard let first, first.left > left, now > first.atNanos else { return "" }
        let perSecond = Double(first.left - left) / (Double(now - first.atNanos) / 1e9)
        return ", \(max(1, Int((Double(left) / perSecond).rounded()))) s"
    }

    /// Nobody wants to wait any longer: the recorder is told so, once a second, until it has ended.
    mutating func abandon(_ display: inout UpDisplay) {
        guard !isAbandoned else { return }
        isAbandoned = true
        nextNanos = 0
        display.say("stopping at once: what is not durable stays in the journal")
    }

    private func endRecorder() {
        ServiceLock.holder(name: "ib-recorder", paths: paths).flatMap(HeldProcess.adopt)?.send(SIGTERM)
    }
}
