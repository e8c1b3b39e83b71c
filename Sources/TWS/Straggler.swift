/// Ticks that were on their way when bad news came.
///
/// The gateway's words overtake its data: what it had received before a farm or its server was gone may come behind the
/// news of that. Such a tick proves nothing: neither that the data go on, nor that a subscription lives. The rule of
/// everybody who weighs a tick behind news.
public enum Straggler {
    /// So long behind the news a tick may have been on its way, ns. Nothing documents it; gateways
    /// were seen to take a few tenths of a second.
    public static let nanos: Int64 = 500_000_000

    /// True when a tick of `nowNanos` says nothing of what news of `newsNanos` has changed. Both are of one clock.
    public static func mayBe(atNanos nowNanos: Int64, behind newsNanos: Int64) -> Bool {
        nowNanos - newsNanos <= nanos
    }
}
