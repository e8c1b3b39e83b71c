internal import Ticks

/// Decides which sealed hours go: the oldest first, and never what a contract's `buffer_hours` protects. Hours that are
/// not sealed are not its business: they are in the log. Pure.
public struct RetentionPlan: Sendable, Equatable {
    /// The sealed files of one hour whose contracts have the same `buffer_hours`.
    public struct Stock: Sendable, Equatable {
        /// Hours since the Unix epoch.
        public var hour: Int64
        public var bufferHours: Int
        public var files: Int
        public var bytes: UInt64

        public init(hour: Int64, bufferHours: Int, files: Int, bytes: UInt64) {
            self.hour = hour
            self.bufferHours = bufferHours
            self.files = files
            self.bytes = bytes
        }
    }

    /// Which key of the configuration a file falls under.
    public enum Rule: String, Sendable {
        case keepDays = "keep_days"
        case keepBytes = "keep_bytes"
    }

    /// What goes, and by which rule.
    public struct Removal: Sendable, Equatable {
        public var stock: Stock
        public var rule: Rule

        public init(stock: Stock, rule: Rule) {
            self.stock = stock
            self.rule = rule
        }
    }

    /// What goes, in this order.
    public private(set) var removals: [Removal] = []
    /// Bytes above `keepBytes` that stay because `buffer_hours` protects them.
    public private(set) var bytesProtected: UInt64 = 0

    private static let hourNanos: Int64 = 3_600_000_000_000

    /// - Parameter nowNanos: `trustedNow` of the host's clock.
    public init(stock: [Stock], keepDays: Int?, keepBytes: Int64?, nowNanos: Int64) {
        let now = nowNanos.floorDivided(by: RetentionPlan.hourNanos)
        var total = stock.reduce(UInt64(0)) { $0 &+ $1.bytes }
        let bound = keepBytes.map { UInt64(max(0, $0)) } ?? .max
        for entry in stock.sorted(by: { ($0.hour, $0.bufferHours) < ($1.hour, $1.bufferHours) }) {
            // Whole hours that lie behind the hour's end.
            let age = now - entry.hour - 1
            guard age >= Int64(entry.bufferHours) else { continue }
            if let keepDays, age >= Int64(keepDays) * 24 {
                removals.append(Removal(stock: entry, rule: .keepDays))
            } else if total > bound {
                removals.append(Removal(stock: entry, rule: .keepBytes))
            } else {
                continue
            }
            total -= entry.bytes
        }
        bytesProtected = total > bound ? total - bound : 0
    }

    /// The time by which age is measured: the host's clock, but not more than a day beyond the newest recorded TWS
    /// time. A clock that jumps years ahead must not empty the disk; and while nothing is recorded nothing gets older.
    public static func trustedNow(hostNanos: Int64, newestEventNanos: Int64?) -> Int64 {
        guard let newestEventNanos else { return hostNanos }
        let (limit, overflow) = newestEventNanos.addingReportingOverflow(24 * hourNanos)
        return overflow ? hostNanos : min(hostNanos, limit)
    }
}
