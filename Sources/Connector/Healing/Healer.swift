internal import JSON
internal import Messaging
internal import ServiceKit
internal import Synchronization
internal import TWS
internal import TickStore
internal import Ticks

/// The heal thread's loop: asks the recorder for gaps, the session thread for history, and gives it back what is
/// missing.
///
/// Nothing happens while the recorder does not answer. A gap is judged only when everything that this connector, or one
/// before it, numbered for the stream is durable: so no tick is healed twice, and a kill at any moment costs nothing
/// but the question again. Decisions are `HealPlan`'s, `HealTask`'s and `HistoryPacer`'s.
struct Healer: ~Copyable {
    static let second: Int64 = 1_000_000_000
    /// Each stream's gaps are looked at again after this time, also when nothing was heard of it.
    static let refreshNanos = 30 * second
    /// While a gap is on its way into the files, and while the recorder is away.
    static let soonNanos = second / 4
    /// What was refused for lack of permission is tried again after this time.
    static let refusedNanos = 3_600 * second
    /// Waits after a request that failed or was not answered; then the gap is `partly`.
    static let failureNanos: [Int64] = [5, 15, 60, 300, 600].map { $0 * second }
    static let sessionAnswerNanos = 10 * second
    /// Most requests are answered within this; one that is not may be waited for as long as the session thread does.
    static let usualAnswerNanos = second

    private let task: TaskContext
    private let mailbox: HealMailbox
    private let status: ConnectorStatus
    private var stored: StoredTicksReader
    private var poller: Poller
    private let bell: Poller.Entry

    private var plan = HealPlan()
    private var openGaps = OpenGaps()
    private var inFlight: InFlight
    private var tasks: [HealPlan.TickGap: HealTask] = [:]
    private var failures: [HealPlan.TickGap: Int] = [:]
    private var positions = HealPositions()
    private var positionsAtNanos: Int64 = .min
    /// Of each stream: nothing is judged before this is durable.
    private var required: [StreamID: TickKey] = [:]
    /// Of each stream: the newest durable key, as last told.
    private var durable: [StreamID: TickKey] = [:]
    /// Of gaps whose last second is over: its ticks are durable when this is.
    private var needed: [HealPlan.TickGap: TickKey] = [:]
    /// Of gaps that a live tick may come for while they are healed: the stream's live ticks when that began.
    private var liveTicks: [HealPlan.TickGap: UInt64] = [:]
    /// Streams whose gap was closed by a tick whose key is to be asked for: before that is durable, the files call it
    /// open.
    private var justClosed: Set<StreamID> = []
    /// When a stream's gaps are to be asked for.
    private var refreshAt: [StreamID: Int64] = [:]
    /// All gaps of a stream, as last told.
    private var known: [StreamID: [HealGap]] = [:]
    /// Streams whose gaps were told since `inFlight` judged them.
    private var justRead: Set<StreamID> = []
    private var aggTrades: Set<ContractID> = []
    /// What was learned of streams' histories.
    private var manners: [StreamID: SecondReconciler.Manner] = [:]
    /// Contracts whose history lacks the last seconds, as the gateway said.
    private var behind: Set<ContractID> = []
    /// Contracts whose history was refused, until when.
    private var refusedUntil: [ContractID: Int64] = [:]
    /// The gap that history is being asked for, and when it was.
    private var asked: (name: HealPlan.TickGap, atNanos: Int64)?
    private var recorderAnswers = true
    private var abandoned: AbandonedStreams

    init(
        _ task: TaskContext, context: Context, paths: Paths, mailbox: HealMailbox, status: ConnectorStatus,
        abandoned: AbandonedStreams
    ) throws(MessagingError) {
        self.task = task
        self.mailbox = mailbox
        self.status = status
        self.abandoned = abandoned
        inFlight = InFlight(isSimulated: paths.simulated)
        stored = try StoredTicksReader(task, context: context, paths: paths)
        poller = Poller()
        bell = poller.add(descriptor: mailbox.forHealer.descriptor)
        _ = poller.add(descriptor: task.stop.fileDescriptor)
    }

    mutating func run() throws {
        // Answers to a predecessor that failed are nobody's.
        _ = mailbox.takeReplies()
        while !task.stop.isStopped {
            task.progress.advance()
            justClosed.formUnion(mailbox.takeClosed())
            if !justClosed.isEmpty || positionsAtNanos == .min || bootNanos() >= positionsAtNanos + Healer.second {
                try askPositions()
            }
            do {
                try refresh()
                try lookAtAbandoned()
                try work()
                noteRecorder(answers: true)
            } catch let error as StoredTicksReader.NoAnswer {
                noteRecorder(answers: false, error.why)
            } catch let error as JSONError {
                noteRecorder(answers: false, "\(error)")
            }
            tell()
            try rest()
        }
    }

    private mutating func rest() throws {
        let now = bootNanos()
        var until = now + Healer.second / 4
        if recorderAnswers, positions.isReady {
            if let next = plan.nextNanos { until = min(until, max(now, next)) }
        }
        if recorderAnswers, let next = refreshAt.values.min() { until = min(until, max(now, next)) }
        // Never a busy loop: what is due and can't be done now waits a moment.
        _ = try poller.wait(timeoutMillis: Int(max(10, (until - now) / 1_000_000)))
        mailbox.forHealer.clear()
    }

    private mutating func noteRecorder(answers: Bool, _ why: String = "") {
        guard answers != recorderAnswers else { return }
        recorderAnswers = answers
        log(.info, answers ? "the recorder answers, healing goes on" : "healing waits for the recorder", ["why": why])
    }

    // MARK: - The session thread

    /// Posts an order and waits for what answers it; nil when that does not come in time.
    private mutating func ask<Answer>(
        _ order: HealOrder, waitNanos: Int64, _ match: (HealReply) -> Answer?
    ) throws -> Answer? {
        mailbox.post(order)
        let deadline = bootNanos() + waitNanos
        while !task.stop.isStopped, bootNanos() < deadline {
            task.progress.advance()
            for reply in mailbox.takeReplies() {
                if let answer = match(reply) { return answer }
            }
            _ = try poller.wait(timeoutMillis: 100)
        }
        return nil
    }

    private mutating func askPositions() throws {
        let serial = mailbox.nextSerial()
        let answer = try ask(.positions(serial: serial), waitNanos: Healer.sessionAnswerNanos) { reply in
            if case .positions(serial, let positions) = reply { positions } else { nil }
        }
        if let answer { take(answer) }
    }

    private mutating func take(_ answer: HealPositions) {
        positionsAtNanos = bootNanos()
        positions = answer
        for (stream, position) in answer.streams where Gap.hasHistory(stream.kind) {
            if inFlight.note(stream, position.breaks, newest: position.key) { refreshAt[stream] = bootNanos() }
            // A stream's first record, or a new epoch: what was on its way is judged anew.
            let isKnown = required[stream]?.epoch == position.key.epoch
            guard position.key.seq > 0, !isKnown else { continue }
            required[stream] = position.key
            refreshAt[stream] = bootNanos()
            for name in tasks.keys where name.stream == stream { tasks[name] = nil }
        }
        for stream in justClosed {
            guard let key = answer.streams[stream]?.key else { continue }
            required[stream] = max(required[stream] ?? .zero, key)
            refreshAt[stream] = bootNanos()
        }
        justClosed.removeAll()
        for (stream, position) in answer.streams where refreshAt[stream] != nil {
            guard let due = openGaps.dueNanos(stream, position) else { continue }
            refreshAt[stream] = min(refreshAt[stream] ?? due, due)
        }
        mailbox.pacer.withLock { $0.setHeld(answer.isHeld) }
        // What can't be asked for now keeps nothing else waiting.
        let soon = bootNanos() + 2 * Healer.second
        for (name, item) in plan.items
        where item.notBeforeNanos < soon && answer.streams[name.stream]?.isWaiting == true {
            plan.set(name) { $0.notBeforeNanos = soon }
        }
    }

    // MARK: - The recorder

    /// Asks for the gaps of the streams that are due.
    private mutating func refresh() throws {
        for (stream, at) in refreshAt where at <= bootNanos() {
            task.progress.advance()
            // A stream that the recorder can't answer for does not keep the others waiting.
            refreshAt[stream] = bootNanos() + Healer.second
            let report = try stored.gaps(of: stream)
            guard let required = required[stream], report.last >= required else {
                refreshAt[stream] = bootNanos() + Healer.soonNanos
                continue
            }
            refreshAt[stream] =
                bootNanos() + (inFlight.awaits(stream, report.last) ? Healer.soonNanos : Healer.refreshNanos)
            durable[stream] = report.last
            let gaps = report.gaps.map { HealGap($0) }
            known[stream] = gaps
            justRead.insert(stream)
            let now = bootNanos()
            let position = positions.isReady ? positions.streams[stream] : nil
            let views = gaps.map {
                openGaps.view($0, position, nowNanos: gatewayNanos ?? realNanos(), bootNanos: now)
            }
            plan.update(stream, views, nowNanos: now) { $0.state == .partly ? now + $0.untilNextLookNanos : .min }
            for (name, task) in tasks where name.stream == stream {
                if plan.items[name].map({ !$0.gap.isSameTask(as: task.gap) }) ?? true { tasks[name] = nil }
            }
        }
    }

    /// Looks at one stream that left the configuration: where something of it is missing, it is taken over.
    private mutating func lookAtAbandoned() throws {
        guard positionsAtNanos != .min, let stream = abandoned.next(among: positions, nowNanos: bootNanos())
        else { return }
        let report = try stored.gaps(of: stream)
        let isOver = try stored.isOver(stream, at: report.last)
        guard abandoned.isMissed(stream, report, isOver: isOver) else { return }
        mailbox.post(.adopt(stream, isOver: isOver))
        positionsAtNanos = .min
    }

    // MARK: - Healing

    /// Does the next piece of work: one page of one gap, at most.
    private mutating func work() throws {
        let positions = self.positions
        guard let item = plan.next(nowNanos: bootNanos(), ticksPerSecond: { positions.rate($0) }) else { return }
        let name = HealPlan.TickGap(stream: item.gap.stream, key: item.gap.key)
        if tasks[name] == nil {
            // Nor does a gap around which nothing can be read.
            plan.set(name) { $0.notBeforeNanos = bootNanos() + Healer.second }
            guard try begin(name, item) else { return }
        }
        if let until = refusedUntil[item.gap.stream.contract], until > bootNanos() {
            return try giveUp(name, item.gap, .partly, until: until)
        }
        try askPage(name, item)
    }

    /// Gets ready to heal a gap, with what its subscription brought of it. False: not now.
    private mutating func begin(_ name: HealPlan.TickGap, _ item: HealPlan.Item) throws -> Bool {
        let gap = item.gap
        guard gap.through != nil else {
            plan.remove(name)
            return false
        }
        // What another gap brought for the same second is stored too: it must be in the files, and known to be, before.
        guard let required = required[gap.stream], durable[gap.stream] ?? .zero >= required else {
            refreshAt[gap.stream] = min(refreshAt[gap.stream] ?? .max, bootNanos() + Healer.soonNanos)
            plan.set(name) { $0.notBeforeNanos = bootNanos() + Healer.soonNanos }
            return false
        }
        let all = known[gap.stream] ?? [gap]
        // The last second is over, and everything received of it is durable, before history is held against it.
        let position = positions.streams[gap.stream]
        // One that has brought a tick meanwhile has an end, which the files will tell.
        guard !gap.isOpen || position?.silence != nil else {
            plan.remove(name)
            return false
        }
        guard let end = try read(name, { reader in try reader.end(of: gap) }) ?? nil else { return false }
        let last = LastSecond(
            second: end, newest: gap.after == nil ? nil : position?.newestSecond,
            knownForNanos: bootNanos() - item.knownAtNanos)
        let wait = last.waitNanos(gatewayNanos: gatewayNanos)
        let isWaiting = wait > 0 && !gap.isOpen
        let isUntimed = isWaiting && last.isUntimed(gatewayNanos: gatewayNanos)
        plan.set(name) { $0.isUntimed = isUntimed }
        guard !isWaiting else {
            plan.set(name) { $0.notBeforeNanos = bootNanos() + wait }
            return false
        }
        let isGuarded = gap.isOpen || last.isUnproven(gatewayNanos: gatewayNanos)
        let newest = (isGuarded ? nil : needed[name]) ?? position?.key ?? .zero
        guard durable[gap.stream] ?? .zero >= newest else {
            needed[name] = newest
            refreshAt[gap.stream] = min(refreshAt[gap.stream] ?? .max, bootNanos() + Healer.soonNanos)
            plan.set(name) { $0.notBeforeNanos = bootNanos() + Healer.soonNanos }
            return false
        }
        needed[name] = nil
        liveTicks[name] = isGuarded ? position?.ticks ?? 0 : nil
        guard let around = try read(name, { reader in try reader.stored(around: gap, until: end, among: all) })
        else { return false }
        var healing = HealTask(gap, stored: around, manner: manners[gap.stream] ?? .unknown)
        if let after = gap.after, let front = mailbox.takeFront(gap.stream, after: after.key) {
            let runs = healing.take(front: front.ticks.map { HealTick($0, kind: gap.stream.kind) })
            guard try stage(runs, name) else { return false }
        }
        tasks[name] = healing
        return true
    }

    /// The gateway's time; nil: it has told none.
    private var gatewayNanos: Int64? { positions.gatewayMinusBootNanos.map { bootNanos() + $0 } }

    /// What is stored around a gap; nil: it can't be read as far as it has to be, and what is there must not be healed
    /// again.
    private mutating func read<Found>(
        _ name: HealPlan.TickGap, _ read: (inout StoredTicksReader) throws -> Found
    ) throws -> Found? {
        do { return try read(&stored) } catch let error as StoredTicksReader.Unreadable {
            let count = failures[name] ?? 0
            failures[name] = count + 1
            if count == 0 {
                log(
                    .error, "a gap waits: what is recorded around it can't be read",
                    ["stream": name.stream.description, "gap": name.key.description, "why": error.why])
            }
            retry(name, after: Healer.failureNanos[min(count, Healer.failureNanos.count - 1)])
            return nil
        }
    }

    private mutating func askPage(_ name: HealPlan.TickGap, _ item: HealPlan.Item) throws {
        guard var healing = tasks[name] else { return }
        let stream = item.gap.stream
        let isAgg = aggTrades.contains(stream.contract) || positions.streams[stream]?.isCrypto == true
        let isTrades = TickByTickKind(stream.kind)?.history == .trades
        let what = isTrades && isAgg ? "AGGTRADES" : TickByTickKind(stream.kind)?.history.whatToShow ?? ""
        let request = HistoryPacer.Request(
            contract: stream.contract, whatToShow: what, question: healing.pager.question)
        let now = bootNanos()
        let allowed = mailbox.pacer.withLock { pacer in
            pacer.expire(nowNanos: now)
            return pacer.nextAllowedNanos(request, nowNanos: now)
        }
        guard allowed <= now, positions.isReady else {
            // What is there goes into the files instead of waiting with us.
            let runs = healing.closeRun()
            tasks[name] = healing
            guard try stage(runs, name) else { return }
            plan.set(name) { $0.notBeforeNanos = min(max(allowed, now + Healer.soonNanos), now + Healer.refreshNanos) }
            return
        }
        mailbox.pacer.withLock { $0.noteSent(request, nowNanos: now) }
        asked = (name, now)
        plan.noteAsked(item.gap, nowNanos: now)
        tell()
        let outcome = try fetch(stream, isTrades && isAgg, &healing.pager)
        asked = nil
        // What was learned of the gap while we waited may have ended its healing.
        guard tasks[name] != nil else { return }
        tasks[name] = healing
        switch outcome {
        case .page:
            failures[name] = nil
            mailbox.pacer.withLock { $0.noteAnswered() }
            let page = healing.pager.finish()
            healing.isBehind = behind.contains(stream.contract)
            let step = healing.take(page)
            tasks[name] = healing
            manners[stream] = healing.manner
            if let second = page.doubtfulSecond { sayDoubtful(stream, second) }
            try follow(step, name, healing)
        case .tooLong: try giveUp(name, item.gap, .partly, until: bootNanos() + Healer.refusedNanos)
        case .unanswered: try failed(name, item.gap, "no answer")
        case .refused(let error): try refused(name, item.gap, error)
        }
    }

    private enum Outcome {
        case page
        case tooLong
        case unanswered
        case refused(ErrorMessage)
    }

    /// One request and all messages of its answer, into the pager.
    private mutating func fetch(_ stream: StreamID, _ isAgg: Bool, _ pager: inout HistoryPager) throws -> Outcome {
        pager.giveUpAnswer()
        let serial = mailbox.nextSerial()
        var order: HealOrder? = .history(serial: serial, stream: stream, pager.question, aggTrades: isAgg)
        // The session thread gives up before we do.
        let deadline = bootNanos() + HealDesk.answerNanos + Healer.sessionAnswerNanos
        if let first = order.take() { mailbox.post(first) }
        var (lookAtNanos, lookSerial) = (bootNanos() + Healer.second, UInt64(0))
        while !task.stop.isStopped, bootNanos() < deadline {
            task.progress.advance()
            if bootNanos() >= lookAtNanos {
                lookAtNanos = bootNanos() + Healer.second
                lookSerial = try lookMeanwhile()
            }
            for reply in mailbox.takeReplies() {
                switch reply {
                case .ticks(serial, let ticks, let done):
                    guard pager.take(ticks.map { HealTick($0, kind: stream.kind) }) else {
                        mailbox.post(.giveUp(serial: serial))
                        return .tooLong
                    }
                    if done { return .page }
                case .refused(serial, let error):
                    // A gateway that does not like to be asked from behind has nothing to say to it.
                    let isRear = pager.question.end != nil && HistoryRefusal(error) == .failed
                    if HistoryRefusal(error) == .empty || isRear { return .page }
                    return .refused(error)
                case .unanswered(serial): return .unanswered
                case .behind(serial): behind.insert(stream.contract)
                case .positions(lookSerial, let positions): take(positions)
                case .ticks, .refused, .unanswered, .behind, .staged, .positions: break
                }
            }
            _ = try poller.wait(timeoutMillis: 100)
        }
        mailbox.post(.giveUp(serial: serial))
        return .unanswered
    }

    /// Gaps that are closed while an answer is waited for get their place in the queue, and what is told of all stays
    /// true. Returns the serial of a question for positions.
    private mutating func lookMeanwhile() throws -> UInt64 {
        justClosed.formUnion(mailbox.takeClosed())
        let serial = mailbox.nextSerial()
        mailbox.post(.positions(serial: serial))
        do { try refresh() } catch let error as StoredTicksReader.NoAnswer {
            noteRecorder(answers: false, error.why)
        } catch let error as JSONError {
            noteRecorder(answers: false, "\(error)")
        }
        tell()
        return serial
    }

    private func sayDoubtful(_ stream: StreamID, _ second: Int64) {
        log(
            .warning, "history does not give a second as it was for certain",
            ["stream": stream.description, "second": Timestamp.text(second * Healer.second)])
    }

    private mutating func follow(_ step: HealTask.Step, _ name: HealPlan.TickGap, _ healing: HealTask) throws {
        guard try stage(step.runs, name) else { return }
        switch step.next {
        case .ask:
            plan.set(name) { item in
                item.notBeforeNanos = .min
                item.isRetried = false
            }
        case .retry(let wait): retry(name, after: wait)
        case .finished: return settled(name, healing)
        }
        plan.set(name) { item in
            item.reached = healing.reached
            item.pages += 1
        }
    }

    /// Hands finished runs to the session thread. False when it is not known what became of them: the gap is judged
    /// anew.
    private mutating func stage(_ runs: [HealedRun], _ name: HealPlan.TickGap) throws -> Bool {
        for run in runs {
            let serial = mailbox.nextSerial()
            var run = run
            run.liveTicks = liveTicks[name]
            let answer = try ask(.stage(serial: serial, run), waitNanos: Healer.sessionAnswerNanos) { reply in
                if case .staged(serial, let key) = reply { .some(key) } else { TickKey??.none }
            }
            guard let key = answer ?? nil else {
                forget(name)
                // Behind whatever the session thread still does with it.
                required[name.stream] = nil
                positionsAtNanos = .min
                return false
            }
            required[name.stream] = max(required[name.stream] ?? key, key)
            // What other gaps of these seconds are held against is not all that is stored any more: they begin anew.
            for (other, healing) in tasks where healing.isTouched(by: run) { tasks[other] = nil }
            plan.set(name) { $0.ticks += run.ticks.count }
            guard let verdict = run.verdict else { continue }
            log(
                .notice, "gap \(verdict == .healed ? "healed" : "not healed whole")",
                [
                    "stream": name.stream.description, "gap": name.key.description, "state": verdict.rawValue,
                    "ticks": "\(plan.items[name]?.ticks ?? run.ticks.count)",
                ])
        }
        return true
    }

    /// The gap's last run is on its way into the files: the recorder's next word on the stream is the truth.
    private mutating func settled(_ name: HealPlan.TickGap, _ healing: HealTask) {
        if healing.gap.isOpen {
            openGaps.noteDone(name)
            log(
                .notice, "an open gap is healed as far as history goes",
                [
                    "stream": name.stream.description, "gap": name.key.description,
                    "ticks": "\(plan.items[name]?.ticks ?? 0)",
                    "until": Timestamp.text(healing.reached * Healer.second, digits: 0),
                ])
        }
        forget(name)
        refreshAt[name.stream] = bootNanos() + Healer.soonNanos
    }

    private mutating func forget(_ name: HealPlan.TickGap) {
        tasks[name] = nil
        failures[name] = nil
        needed[name] = nil
        liveTicks[name] = nil
        plan.remove(name)
    }

    // MARK: - Refusals

    private mutating func refused(_ name: HealPlan.TickGap, _ gap: HealGap, _ error: ErrorMessage) throws {
        let facts: KeyValuePairs = [
            "stream": gap.stream.description, "code": "\(error.code)", "text": error.text,
        ]
        switch HistoryRefusal(error) {
        case .empty: break
        case .pacing:
            log(.warning, "the gateway wants fewer history requests", facts)
            mailbox.pacer.withLock { $0.noteViolation(nowNanos: bootNanos()) }
        case .wantsAggTrades where !aggTrades.contains(gap.stream.contract): aggTrades.insert(gap.stream.contract)
        case .noHistory:
            log(.notice, "the gateway has no history for a gap", facts)
            try giveUp(name, gap, .noHistory, until: .max)
        case .noPermission, .behind:
            let until = bootNanos() + Healer.refusedNanos
            if refusedUntil[gap.stream.contract] == nil { mailbox.post(.sayRefused(gap.stream, error)) }
            refusedUntil[gap.stream.contract] = until
            try giveUp(name, gap, .partly, until: until)
        case .failed, .wantsAggTrades: try failed(name, gap, "TWS says \(error.code): \(error.text)")
        }
    }

    private mutating func failed(_ name: HealPlan.TickGap, _ gap: HealGap, _ why: String) throws {
        guard positions.isReady else {
            // The session ended under the request: nobody's failure.
            plan.set(name) { $0.notBeforeNanos = bootNanos() + Healer.second }
            return
        }
        let count = failures[name] ?? 0
        failures[name] = count + 1
        if count == 0 {
            log(.notice, "a history request failed", ["stream": gap.stream.description, "why": why])
        }
        guard count < Healer.failureNanos.count else {
            return try giveUp(name, gap, .partly, until: bootNanos() + Healer.refusedNanos)
        }
        retry(name, after: Healer.failureNanos[count])
    }

    private mutating func retry(_ name: HealPlan.TickGap, after wait: Int64) {
        plan.set(name) { item in
            item.notBeforeNanos = bootNanos() + wait
            item.isRetried = true
        }
    }

    /// The gap stays as it is: its state says so, and it is tried again at `until`.
    private mutating func giveUp(
        _ name: HealPlan.TickGap, _ gap: HealGap, _ verdict: GapState, until: Int64
    ) throws {
        var healing = tasks[name] ?? HealTask(gap, stored: StoredTicks())
        let step = healing.giveUp(verdict)
        tasks[name] = nil
        failures[name] = nil
        guard try stage(step.runs, name) else { return }
        // What is open is tried again when it has an end, or with the next subscription.
        if gap.isOpen { return settled(name, healing) }
        plan.set(name) { item in
            item.notBeforeNanos = until
            item.isRefused = true
        }
        refreshAt[name.stream] = bootNanos() + Healer.soonNanos
    }

    // MARK: - For the operator

    private mutating func tell() {
        let now = bootNanos()
        judgeInFlight()
        let positions = self.positions
        let pacer = mailbox.pacer.withLock { $0 }
        let busyUntil = asked.map { asked in
            let usual = asked.atNanos + Healer.usualAnswerNanos
            return now < usual ? usual : asked.atNanos + HealDesk.answerNanos
        }
        let estimates = plan.estimates(pacer: pacer, nowNanos: now, busyUntilNanos: busyUntil ?? .min) {
            positions.rate($0)
        }
        let heals = estimates.map { estimate -> JSONValue in
            let name = HealPlan.TickGap(stream: estimate.stream, key: estimate.key)
            let isTellable = recorderAnswers && positions.isReady && !pacer.isHeld
            let seconds = isTellable ? estimate.etaNanos.map { max(0, $0) / Healer.second } : nil
            return [
                "stream": .string(estimate.stream.description),
                "gap": .unsigned(estimate.key.rawValue),
                "state": .string(word(name, now, pacer)), "ticks": .integer(Int64(estimate.ticks)),
                "eta_seconds": seconds.map { .integer($0) } ?? .null,
            ]
        }
        status.update(heals: ["heals": .array(heals)])
    }

    /// The session thread tells with the stream's state what of it is not on disk yet.
    private mutating func judgeInFlight() {
        for (stream, gaps) in known {
            guard let durable = durable[stream], justRead.remove(stream) != nil || inFlight.isInDoubt(stream) else {
                continue
            }
            let (plan, openGaps) = (self.plan, self.openGaps)
            inFlight.judge(stream, gaps, durable: durable) { gap in
                let name = HealPlan.TickGap(stream: stream, key: gap.key)
                return InFlight.Progress(reached: plan.items[name]?.reached, hasLooked: openGaps.hasLooked(name))
            }
        }
        mailbox.say(inFlight.words)
    }

    private func word(_ name: HealPlan.TickGap, _ now: Int64, _ pacer: HistoryPacer) -> String {
        guard recorderAnswers else { return "no_recorder" }
        guard positions.isReady else { return "no_session" }
        guard let item = plan.items[name] else { return "waiting" }
        if asked?.name == name { return "asking" }
        if item.isVain { return "refused" }
        if pacer.isHeld || positions.streams[name.stream]?.isHeld == true { return "history_down" }
        if item.isRetried { return "retrying" }
        return pacer.availableNanos(units: 1, nowNanos: now) > now ? "paced" : "waiting"
    }
}

extension HealPositions {
    /// Live ticks a second; a stream that has had none yet is taken for a slow one.
    func rate(_ stream: StreamID) -> Double { max(streams[stream]?.ticksPerSecond ?? 0, 0.1) }
}
