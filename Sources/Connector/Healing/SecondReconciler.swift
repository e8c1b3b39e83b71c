/// Holds what is stored of one second against what the gateway's history says of it.
///
/// Stored are: segments of live ticks in front of the gap and behind it (each without a hole in it; other gaps lie
/// between them), and what earlier runs healed of this gap. All of them in order must be found in history in order;
/// what is between the last one in front and the first one behind is what the gap misses.
///
/// Segments are looked for in one piece first, those in front as early as possible, those behind as late as possible.
/// Where equal ticks leave more than one way, every way gives the same sequence of ticks.
///
/// **Trades marked unreported** may or may not be in history, and with or without their mark: gateways were seen to
/// have them and to leave them out. So a stored one is matched where history has it, and passed over where it has not.
/// Which of both is the question wherever a trade of history could be the stored one or another that the gap misses:
/// taken for another, it is stored twice; taken for the stored one, it is lost. What decides:
///
/// 1. A segment has no hole, and history keeps the order. So the way in which the
/// segments lie in one piece is right before
///   any in which history has ticks between theirs, and of several the one that finds most of them: in history which
///   has unreported trades at all, the stored ones are, and one that is not matched would be stored a second time.
/// 2. Once history shows the mark, a trade with it is never taken for one without it:
/// equal numbers at the gap's edge are two
///   trades then. While it has not, it may be a history that has all trades without the mark: that is believed where
///   all that is stored lies in it in one piece, but not once stored ones were proven to be left out (`Manner`).
/// 3. Of several equal ones it does not matter which is the stored one: any choice leaves the same sequence.
///
/// What is left: one unreported trade alone at a gap's edge, the missing trade beside it equal in time, price, size,
/// exchange and conditions, and nothing known of this history. No answer of history tells these two apart; it is taken
/// for the stored one. Source: docs/decisions.md#healing-keeps-no-state; docs/tws.md#one-second-of-history.
enum SecondReconciler {
    /// What is stored of one second.
    struct Stored: Equatable {
        /// Segments in front of the gap, in order of time.
        var front: [[HealTick]] = []
        /// What earlier runs of this gap brought, in order.
        var healed: [HealTick] = []
        /// Segments behind the gap, in order of time.
        var back: [[HealTick]] = []

        var isEmpty: Bool { front.isEmpty && healed.isEmpty && back.isEmpty }

        /// True when one of them is an unreported trade.
        var hasUnreported: Bool {
            healed.contains(where: \.isUnreported) || (front + back).contains { $0.contains(where: \.isUnreported) }
        }
    }

    /// What is known of a history's unreported trades.
    enum Manner: Equatable, Sendable {
        case unknown
        /// It has them, with their mark.
        case shown
        /// It has them, without it.
        case unmarked
        /// It leaves them out.
        case leftOut
    }

    struct Result: Equatable {
        /// The ticks that the gap misses in this second, in order.
        var missing: [HealTick]
        /// Stored unreported trades that history does not have.
        var leftOut = 0
        /// Unreported trades of history between live ticks that came without them.
        var passedUnreported = 0
        /// What this second teaches.
        var manner = Manner.unknown
    }

    /// What the gap misses in this second; nil when history does not contain what is stored:
    /// then nothing can be said about the second.
    ///
    /// - Parameter manner: what is known of the history so far.
    /// - Parameter inOnePiece: nil also when history has ticks between those of a segment in front.
    static func reconcile(
        _ history: [HealTick], stored: Stored, manner: Manner = .unknown, inOnePiece: Bool = false
    ) -> Result? {
        let shows = manner == .shown || history.contains(where: \.isUnreported)
        guard !stored.isEmpty else { return Result(missing: history, manner: shows ? .shown : .unknown) }
        func align(_ rule: TickAlignment.Rule, _ pieces: TickAlignment.Pieces) -> Result? {
            TickAlignment(history: history, rule: rule, pieces: pieces).reconcile(stored)
        }
        let (whole, any): (TickAlignment.Pieces, TickAlignment.Pieces) =
            inOnePiece ? (.frontAtOnce, .frontAtOnce) : (.all, .any)
        guard stored.hasUnreported, !shows else {
            // Last of all: the mark may be missing of the live ones alone.
            var result = align(.marked, any) ?? align(.unmarked, any) ?? align(.either, any)
            result?.manner = shows ? .shown : .unknown
            return result
        }
        let marked = align(.marked, whole)
        let unmarked = manner == .leftOut ? nil : align(.unmarked, whole)
        guard var result = unmarked ?? marked ?? align(.marked, any) ?? align(.unmarked, any) ?? align(.either, any)
        else { return nil }
        if unmarked != nil, marked == nil { result.manner = .unmarked }
        if unmarked == nil, result.leftOut > 0 { result.manner = .leftOut }
        return result
    }
}
