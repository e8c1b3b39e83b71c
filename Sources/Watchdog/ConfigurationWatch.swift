internal import Glibc
internal import ServiceKit
internal import Ticks

/// Compares the operator's configuration, as it is now, with the one that runs. On a thread of
/// its own: the file's disk may not answer.
struct ConfigurationWatch {
    /// What the file is without reading it.
    private struct Look: Equatable {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        var bytes: Int64 = 0
        var changedNanos: Int64 = 0
        var missing = false
    }

    private let flags: ParsedFlags
    private let environment: [String: String]
    /// The hash of what runs.
    private let running: String
    private let advice: String
    private var last: Look?
    /// What was found at the last look; nil: the same configuration as runs.
    private(set) var finding: String?

    static let intervalMillis = 1000

    init(flags: ParsedFlags, environment: [String: String], running: String, advice: String) {
        self.flags = flags
        self.environment = environment
        self.running = running
        self.advice = advice
    }

    /// Looks again. True when the finding has changed.
    mutating func look() -> Bool {
        let path = flags.value("config") ?? Configuration.defaultFile
        let now = ConfigurationWatch.look(at: path)
        guard now != last else { return false }
        last = now
        let before = finding
        finding = find(path)
        return finding != before
    }

    private func find(_ path: String) -> String? {
        do throws(ConfigurationFailure) {
            let found = try LoadedConfiguration.ofOperator(flags: flags, environment: environment)
            guard found.configuration.hash != running else { return nil }
            let place = found.file ?? "the built-in defaults (\(path) is gone)"
            return "the configuration in \(place) (\(found.configuration.hash)) is not the one that runs (\(running)): "
                + "no process takes a part of it: to take it, \(advice)"
        } catch {
            let why = error.problems.first?.description ?? "it can't be read"
            return "the configuration file can't be used any more, what runs goes on with \(running): \(why): mend it, "
                + "the next start of the system reads it"
        }
    }

    private static func look(at path: String) -> Look {
        var info = stat()
        guard stat(path, &info) == 0 else { return Look(missing: true) }
        let changed = Int64(info.st_ctim.tv_sec) * 1_000_000_000 + Int64(info.st_ctim.tv_nsec)
        return Look(
            device: UInt64(info.st_dev), inode: UInt64(info.st_ino), bytes: Int64(info.st_size), changedNanos: changed)
    }
}

/// The thread: a look each second; a difference goes to the board and into the log.
func watchConfiguration(_ task: TaskContext, _ watch: ConfigurationWatch, board: Board) {
    var watch = watch
    repeat {
        task.progress.advance()
        let isNews = task.progress.duringDiskCall { watch.look() }
        guard isNews else { continue }
        board.set(configurationFinding: watch.finding)
        if let finding = watch.finding {
            log(.warning, finding)
        } else {
            log(.notice, "the configuration file is again the one that runs")
        }
    } while !pause(task, millis: ConfigurationWatch.intervalMillis)
}

/// Waits in pieces, each of which is progress. True when the service stops.
private func pause(_ task: TaskContext, millis: Int) -> Bool {
    for _ in 0..<(millis / 250) {
        task.progress.advance()
        if task.stop.wait(millis: 250) { return true }
    }
    return false
}

/// A process that runs with another configuration than the watchdog, as a sentence; nil when it runs
/// with the same, or does not say with which.
func configurationDifference(
    _ service: String, _ hash: String?, read: String?, watchdog: (hash: String, readAtNanos: Int64), advice: String
) -> String? {
    guard let hash, hash != watchdog.hash else { return nil }
    return
        "\(service) runs with another configuration (\(hash), read \(read ?? "at an unknown time")) than ib-watchdog "
        + "(\(watchdog.hash), read \(Timestamp.text(watchdog.readAtNanos, digits: 3))): to have one for all, \(advice)"
}

extension Judge {
    /// What runs with another configuration than the watchdog, what the operator's file says now, and which
    /// configured address of the feed is missing.
    func configurationWarnings(_ services: [ManagedService], _ now: Int64) -> [String] {
        let publish = services.compactMap { $0.fact("PUBLISH", nowNanos: now) }.filter { $0.hasPrefix("failing") }
        return publish.map { "the connector's feed over TCP is \($0)" }
            + services.compactMap { service in
                configurationDifference(
                    service.name.rawValue, service.fact("CONFIG", nowNanos: now),
                    read: service.fact("CONFIG_READ", nowNanos: now), watchdog: setting.identity,
                    advice: setting.restartAdvice)
            } + (board.configurationFinding.map { [$0] } ?? [])
    }
}
