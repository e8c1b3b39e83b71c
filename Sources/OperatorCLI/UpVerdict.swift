internal import ServiceKit

/// What the watchdog's heartbeats have told `up` of the system's health.
struct UpVerdict {
    private(set) var wasHealthy = false
    /// A service that refused its configuration, if one did before all was healthy for the first time.
    private(set) var refusal: String?
    private var health: String?
    private var reason = ""

    mutating func hear(_ notification: Notification) {
        if let told = notification["X_IB_HEALTH"] {
            health = told
            reason = notification["X_IB_REASON"] ?? ""
            if told == "healthy" { wasHealthy = true }
        }
        if !wasHealthy, let name = notification["X_IB_REFUSED"], !name.isEmpty { refusal = name }
    }

    /// Nobody judges until the next one is heard.
    mutating func watchdogEnded() { health = nil }

    /// Why a run that ends now is no success; nil: all is healthy.
    var complaint: String? {
        let now = health.map { reason.isEmpty ? $0 : "\($0): \(reason)" } ?? "unknown: no ib-watchdog tells it"
        guard wasHealthy else { return "never healthy, and at the end \(now)" }
        return health == "healthy" ? nil : "not healthy at the end, but \(now)"
    }
}
