internal import Glibc
public import Ticks

/// A finished part of the log, as planning sees it.
public struct SealPart: Sendable, Equatable {
    public var name: PartName
    public var bytes: UInt64

    public init(name: PartName, bytes: UInt64) {
        self.name = name
        self.bytes = bytes
    }
}

extension SealPart {
    /// The parts in a directory of the log, in order.
    public static func list(_ directory: String) throws(StoreError) -> [SealPart] {
        var parts: [SealPart] = []
        for name in try PartName.list(directory) {
            var status = stat()
            guard stat(name.path(in: directory), &status) == 0 else {
                let code = errno
                if code == ENOENT { continue }
                throw .system(call: "stat", path: name.path(in: directory), code: code)
            }
            parts.append(SealPart(name: name, bytes: UInt64(max(0, status.st_size))))
        }
        return parts
    }
}

/// The parts of one hour that are sealed together, oldest first.
public struct SealHour: Sendable, Equatable {
    /// Hours since the Unix epoch: that of the parts' names, unless a clock was
    /// wrong (`SealPlan.hours(of:notBefore:)`).
    public var hour: Int64
    public var parts: [SealPart]

    public init(hour: Int64, parts: [SealPart]) {
        self.hour = hour
        self.parts = parts
    }

    public var bytes: UInt64 { parts.reduce(0) { $0 + $1.bytes } }
}

/// Decides what is sealed: which parts, in which order, which streams together. Pure.
///
/// Hours are sealed from the oldest on and never past one that failed: readers take sealed files first and then only
/// greater keys from the log, so that an older part left behind would be passed over.
public struct SealPlan: Sendable {
    /// What of the log is to be sealed.
    public enum Reach: Sendable, Equatable {
        /// The hours that are over.
        case pastHours
        /// Everything before the newest part, also of the present hour.
        case beforeNewestPart
    }

    /// While the clock is behind what is sealed (it was far ahead once, and hours never go back) no
    /// hour ends. The parts before the newest one are sealed all the same once they are this large,
    /// so that the log does not grow for ever.
    public static let behindClockBytes: UInt64 = 1 << 30

    /// The hours to seal, oldest first. The newest part is never among them: it carries every stream's last key.
    ///
    /// - Parameters:
    ///   - parts: all parts of the log, in any order.
    ///   - kept: parts that were sealed as far as they can be read and stay where they are.
    ///   - sealedHour: the newest hour that has a sealed file.
    ///   - settled: parts whose records are sealed already.
    ///   - nowHour: the clock's, in hours since the Unix epoch.
    public static func hours(
        parts: [SealPart], kept: Set<PartName> = [], reach: Reach, sealedHour: Int64? = nil,
        settled: Set<PartName> = [], nowHour: Int64
    ) -> [SealHour] {
        let sorted = parts.sorted { $0.name < $1.name }
        let all = SealPlan.hours(of: sorted.map(\.name), notBefore: sealedHour, settled: settled)
        guard let newestHour = all.last else { return [] }
        var hours: [SealHour] = []
        for (part, hour) in zip(sorted, all).dropLast() where !kept.contains(part.name) {
            if hours.last?.hour == hour {
                hours[hours.count - 1].parts.append(part)
            } else {
                hours.append(SealHour(hour: hour, parts: [part]))
            }
        }
        guard reach == .pastHours, let last = hours.last, last.hour == newestHour else { return hours }
        let clockIsBehind = newestHour > nowHour + 1
        if !clockIsBehind || last.bytes < behindClockBytes { hours.removeLast() }
        return hours
    }

    /// The hours as which parts are sealed: those of their names, but never later than that of a part behind them, and
    /// never earlier than what is sealed already.
    ///
    /// A part that was named by a clock far ahead so gets the hour of the first one that a right clock named, and need
    /// not wait for its own. Files of a stream are in the order of their hours, and the hours given never fall.
    ///
    /// - Parameters:
    ///   - parts: in order.
    ///   - settled: parts that were sealed already and kept: they stay what they were sealed as.
    public static func hours(
        of parts: [PartName], notBefore sealedHour: Int64?, settled: Set<PartName> = []
    ) -> [Int64] {
        var least = Int64.max
        var hours: [Int64] = []
        for part in parts.reversed() {
            least = min(least, part.hour)
            hours.append(settled.contains(part) ? least : max(sealedHour ?? .min, least))
        }
        return hours.reversed()
    }

    /// What one stream needs while its hour is sealed.
    public struct Load: Sendable, Equatable {
        public var stream: StreamID
        /// Memory of an open file of this stream.
        public var memoryBytes: Int

        public init(stream: StreamID, memoryBytes: Int) {
            self.stream = stream
            self.memoryBytes = memoryBytes
        }
    }

    /// Cuts the streams of an hour into groups that are sealed in one pass over the log each: as few as the bounds
    /// allow. A stream that needs more than `memoryBytes` by itself is a group of its own.
    ///
    public static func groups(_ loads: [Load], memoryBytes: Int) -> [[StreamID]] {
        var groups: [[StreamID]] = []
        var used = 0
        for load in loads.sorted(by: { $0.stream < $1.stream }) {
            if !groups.isEmpty, used + load.memoryBytes <= memoryBytes {
                groups[groups.count - 1].append(load.stream)
                used += load.memoryBytes
            } else {
                groups.append([load.stream])
                used = load.memoryBytes
            }
        }
        return groups
    }
}
