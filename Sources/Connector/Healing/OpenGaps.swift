internal import Ticks

/// Which gaps that no tick has ended yet are healed, and up to which second. Pure.
///
/// A market that has closed while we were away sends nothing when we are back: what was missed would wait until it
/// opens again. So the gap of a stream that is subscribed and stays silent is healed once for each subscription, up to
/// a moment behind that: what comes later comes live. The gap stays open, and goes on where its runs end when the first
/// live tick has come. A silent stream is subscribed again and again, over a whole week-end: a gap is looked at twice
/// an hour at most.
struct OpenGaps {
    /// A stream is silent when its subscription has brought nothing for so long. The last seconds of that are left out.
    static let patienceNanos = LastSecond.quietNanos + LastSecond.settleNanos

    /// The least time between two looks at a gap, whatever subscriptions there were.
    static let restNanos: Int64 = 1_800 * 1_000_000_000

    private struct Look {
        var request: Int32
        var atNanos: Int64
        var through: Int64
        var isDone = false
    }

    private var looks: [HealPlan.TickGap: Look] = [:]
    /// Of each stream: the subscription that it was looked at for.
    private var lookedFor: [StreamID: Int32] = [:]

    /// When a stream's gaps have to be looked at because of its subscription, once for each; nil: need not be.
    mutating func dueNanos(_ stream: StreamID, _ position: HealPositions.Stream) -> Int64? {
        guard let silence = position.silence, lookedFor[stream] != silence.request else { return nil }
        lookedFor[stream] = silence.request
        return silence.sinceNanos + OpenGaps.patienceNanos
    }

    /// The gap as one that ends for now, if it is to be healed so far; as it is, if not.
    ///
    /// - Parameters:
    ///   - nowNanos: the gateway's time. One that is too late does no harm: no more is claimed than history shows.
    ///   - bootNanos: what the subscription's time is of.
    mutating func view(
        _ gap: HealGap, _ position: HealPositions.Stream?, nowNanos: Int64, bootNanos: Int64
    ) -> HealGap {
        let name = HealPlan.TickGap(stream: gap.stream, key: gap.key)
        guard gap.through == nil else {
            looks[name] = nil
            return gap
        }
        // Without a tick in front the host's clock alone tells where it begins.
        guard gap.before != nil else { return gap }
        guard let silence = position?.silence, bootNanos - silence.sinceNanos >= OpenGaps.patienceNanos else {
            return gap
        }
        if looks[name].map({ $0.request != silence.request && bootNanos - $0.atNanos >= OpenGaps.restNanos }) ?? true {
            let through = (nowNanos - LastSecond.quietNanos).floorDivided(by: Healer.second) - 1
            looks[name] = Look(request: silence.request, atNanos: bootNanos, through: through)
        }
        guard let look = looks[name], !look.isDone, look.through > gap.resumeSecond else { return gap }
        var view = gap
        view.through = look.through
        view.isOpen = true
        return view
    }

    /// History was asked for the gap once since it was opened, as far as it goes.
    func hasLooked(_ name: HealPlan.TickGap) -> Bool { looks[name]?.isDone ?? false }

    /// The gap has been healed as far as it can be for now.
    mutating func noteDone(_ name: HealPlan.TickGap) { looks[name]?.isDone = true }
}
