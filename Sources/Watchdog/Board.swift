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

    /// Tells the judge to end every service in order, and waits until it has.
    func orderStop(waitMillis: Int) {
        stopOrder.stop()
        if !stopDone.wait(millis: waitMillis) { log(.error, "services did not end in time") }
    }

    var isStopOrdered: Bool { stopOrder.isStopped }
    var stopOrderDescriptor: Int32 { stopOrder.fileDescriptor }
    func reportStopped() { stopDone.stop() }
}
