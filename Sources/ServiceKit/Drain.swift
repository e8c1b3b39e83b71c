/// What a service still does after the stop signal, however long it takes, as long as it gets on: it writes down what
/// has come. `main` begins it, looks at it, tells of it, and gives it up.
public struct Drain {
    /// How far it is.
    public struct Look: Sendable, Equatable {
        /// Nothing more happens.
        public var isOver: Bool
        /// Ticks that are not durable; nil: not known.
        public var left: UInt64?
        /// Changes with whatever gets done.
        public var progress: UInt64
        /// What holds it up, in words; nil: nothing but the disk.
        public var fault: String?

        public init(isOver: Bool, left: UInt64?, progress: UInt64, fault: String? = nil) {
            self.isOver = isOver
            self.left = left
            self.progress = progress
            self.fault = fault
        }
    }

    let begin: () -> Void
    let look: () -> Look
    let abandon: () -> Void

    /// All three are called on `main`, and wait for nothing.
    public init(begin: @escaping () -> Void, look: @escaping () -> Look, abandon: @escaping () -> Void) {
        self.begin = begin
        self.look = look
        self.abandon = abandon
    }
}

/// Decides how long a drain goes on. Pure.
struct DrainWatch {
    enum Verdict: Equatable {
        case goOn
        /// All that was to be done is done.
        case done
        /// It ended, or nothing got done for too long, and something is left.
        case failed(why: String)
    }

    /// Nothing got done for so long: the disk is dead.
    static let limitNanos: Int64 = 10_000_000_000
    /// A signal that comes sooner than this is the first one, told twice.
    static let signalNanos: Int64 = 1_000_000_000
    /// What is asked of systemd while it gets on; more than `limitNanos`.
    static let extensionNanos: Int64 = 15_000_000_000

    private let beganNanos: Int64
    private var progress: UInt64?
    private var movedNanos: Int64

    init(nowNanos: Int64) {
        beganNanos = nowNanos
        movedNanos = nowNanos
    }

    mutating func take(_ look: Drain.Look, nowNanos: Int64) -> Verdict {
        if look.isOver { return look.left == 0 ? .done : .failed(why: look.fault ?? "the disk did not take them") }
        if look.progress != progress {
            progress = look.progress
            movedNanos = nowNanos
        }
        guard nowNanos - movedNanos >= Self.limitNanos else { return .goOn }
        let silence = "nothing became durable for \(Self.limitNanos / 1_000_000_000) s"
        return .failed(why: look.fault.map { "\($0), and \(silence)" } ?? silence)
    }

    /// True when a stop signal means that nobody wants to wait any longer.
    func isSecond(signalAtNanos now: Int64) -> Bool { now - beganNanos >= Self.signalNanos }
}

extension ServiceContext {
    private static let noticeNanos: Int64 = 1_000_000_000

    /// Lets the drain do its work, and tells the watchdog and systemd that it does. What it leaves undone is the error.
    func runDrain(_ signals: borrowing StopSignals, _ sender: inout HeartbeatSender) -> ProgramError? {
        guard let drain else { return nil }
        drain.begin()
        let began = bootNanos()
        var watch = DrainWatch(nowNanos: began)
        var told: UInt64?
        var nextNoticeNanos = began + Self.noticeNanos
        while true {
            let look = drain.look()
            let now = bootNanos()
            switch watch.take(look, nowNanos: now) {
            case .done: return nil
            case .failed(let why): return giveUp(drain, look, why)
            case .goOn: break
            }
            if now >= nextNoticeNanos {
                nextNoticeNanos = now + Self.noticeNanos
                sender.send(drainNotice(look, isNews: told != look.progress))
                told = look.progress
            }
            // An ordinary stop has nothing to wait for: the first looks follow each other closely.
            let millis = now - began < 1_000_000_000 ? 10 : 100
            if let number = signals.wait(millis: millis), watch.isSecond(signalAtNanos: bootNanos()) {
                return giveUp(drain, drain.look(), "\(StopSignals.name(number)) came again")
            }
        }
    }

    private func giveUp(_ drain: Drain, _ look: Drain.Look, _ why: String) -> ProgramError {
        drain.abandon()
        let what = look.left.map { "\(grouped($0)) ticks are" } ?? "the last ticks may be"
        return ProgramError(
            .ioError, "\(what) not durable: \(why): they stay in the journal: start again before it is overwritten")
    }

    /// - isNews: something got done since the last notice: only then more time is asked for.
    private func drainNotice(_ look: Drain.Look, isNews: Bool) -> Notification {
        var notification = Notification()
        if isNews { notification.add("EXTEND_TIMEOUT_USEC", "\(DrainWatch.extensionNanos / 1000)") }
        let left = look.left.map { grouped($0) } ?? "an unknown number of"
        notification.add("STATUS", "stopping: \(left) ticks to write")
        notification.add("X_IB_SERVICE", name)
        notification.add("X_IB_DRAINED", "\(look.progress)")
        if let left = look.left { notification.add("X_IB_BACKLOG", "\(left)") }
        return notification
    }
}

/// `1,234,567`.
public func grouped(_ number: UInt64) -> String {
    let digits = String(number)
    var text = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
        text.append(digit)
    }
    return text
}
