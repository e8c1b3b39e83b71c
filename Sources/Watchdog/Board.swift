internal import ServiceKit
internal import Supervision
internal import Synchronization
internal import Ticks

/// Where the watchdog's threads meet: the judge puts snapshots up, the faces read them; the questions thread puts up what
/// services answered, the judge reads it. Locks are held for a copy only. Any thread.
final class Board: Sendable {
    /// What the services said over their control sockets.
    struct Answers: Sendable {
        /// What the connector says of its streams, and when.
        var streams: [StreamID: StreamReport] = [:]
        var streamsAtNanos: Int64?
    }

    struct StreamReport: Sendable, Equatable {
        /// Nil: subscribed and well.
        var problem: StreamState?
        var reason: String
        /// What was sent and is not on disk; nil: nothing.
        var lacking: String?
    }

    private let current = Mutex(Snapshot())
    private let answers = Mutex(Answers())
    /// Where the health pages are served, or why they are not; both nil before the first try.
    private let http = Mutex<(address: HTTPAddress?, fault: String?)>((nil, nil))
    /// What `ConfigurationWatch` found.
    private let configuration = Mutex<String?>(nil)
    /// Streams that the connector is to restart.
    private let resubscriptions = Mutex<Set<StreamID>>([])
    private let stopOrder = StopToken()
    private let stopDone = StopToken()
    private let stopProgressNanos = Mutex<Int64>(0)
    private let uncleanEnds = Mutex<[String]>([])

    var snapshot: Snapshot { current.withLock { $0 } }
    func put(_ snapshot: Snapshot) { current.withLock { $0 = snapshot } }

    var latestAnswers: Answers { answers.withLock { $0 } }
    func update(_ change: (inout Answers) -> Void) { answers.withLock { change(&$0) } }

    var httpAddress: HTTPAddress? { http.withLock { $0.address } }
    func set(http address: HTTPAddress) { http.withLock { $0 = (address, nil) } }
    var httpFault: String? { http.withLock { $0.fault } }
    func set(httpFault text: String) { http.withLock { $0 = (nil, text) } }

    var configurationFinding: String? { configuration.withLock { $0 } }
    func set(configurationFinding finding: String?) { configuration.withLock { $0 = finding } }

    func requestResubscription(_ streams: [StreamID]) { resubscriptions.withLock { $0.formUnion(streams) } }
    func takeResubscriptions() -> Set<StreamID> {
        resubscriptions.withLock { wanted in
            defer { wanted = [] }
            return wanted
        }
    }

    /// Tells the judge to end every service in order, and waits until it has, or nothing has got on for so long.
    func orderStop(waitMillis: Int) {
        stopOrder.stop()
        noteStopProgress(atNanos: bootNanos())
        while !stopDone.wait(millis: 1000) {
            let last = stopProgressNanos.withLock { $0 }
            guard bootNanos() - last < Int64(waitMillis) * 1_000_000 else {
                return log(.error, "services did not end in time")
            }
        }
    }

    /// A service that ends gets on with it.
    func noteStopProgress(atNanos now: Int64) { stopProgressNanos.withLock { $0 = max($0, now) } }

    /// A service that was told to end did not end well.
    func noteUncleanEnd(_ text: String) { uncleanEnds.withLock { $0.append(text) } }
    var uncleanEnd: String? { uncleanEnds.withLock { $0.isEmpty ? nil : $0.joined(separator: ", ") } }

    var isStopOrdered: Bool { stopOrder.isStopped }
    var stopOrderDescriptor: Int32 { stopOrder.fileDescriptor }
    func reportStopped() { stopDone.stop() }
}
