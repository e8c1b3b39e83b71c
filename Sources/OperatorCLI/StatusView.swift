internal import JSON
internal import ServiceKit

/// Renders what the watchdog's `status` answers, as lines of text.
struct StatusView {
    let status: JSONValue

    init(_ status: JSONValue) { self.status = status }

    /// `healthy`, `degraded`, `down`, or `unknown` when the watchdog's own judge stands still.
    var health: String { status["health"]?.string ?? "unknown" }

    /// The watchdog has not judged anything yet.
    var isStarting: Bool { status["streams"]?.object?.members.isEmpty != false && health == "unknown" }

    /// For `ib-stream status`: 0 healthy, 1 degraded, 2 down.
    var exitStatus: ExitStatus {
        switch health {
        case "healthy": .success
        case "degraded": .failure
        default: .down
        }
    }

    /// Everything, as a table; each line cut at `columns` (nil: whole lines).
    func lines(columns: Int? = nil) -> [String] {
        var lines = [headline]
        lines += reasons.map { "  ! " + $0 }
        lines.append("")
        lines += table(
            ["SERVICE", "STATE", "PID", "RESTARTS", "TICKS", "STATUS"],
            (status["services"]?.object?.members ?? []).map { serviceRow($0.name, $0.value) })
        lines.append("")
        lines += table(
            ["STREAM", "SYMBOL", "STATE", "TICKS/S", "LAG", "LAG S", "LAST DURABLE", "REASON"],
            (status["streams"]?.object?.members ?? []).map { streamRow($0.name, $0.value) })
        guard let columns else { return lines }
        return lines.map { String($0.prefix(columns)) }
    }

    /// One line for a log: health, streams by state, ticks a second, the largest lag.
    var summary: String {
        let streams = (status["streams"]?.object?.members ?? []).map(\.value)
        var counts: [(state: String, count: Int)] = []
        for stream in streams {
            let state = stream["state"]?.string ?? "unknown"
            if let index = counts.firstIndex(where: { $0.state == state }) {
                counts[index].count += 1
            } else {
                counts.append((state, 1))
            }
        }
        let rate = streams.compactMap { $0["ticks_per_second"]?.double }.reduce(0, +)
        let lag = streams.compactMap { $0["lag"]?.integer }.max() ?? 0
        let seconds =
            streams.compactMap { $0["durable_lag_seconds"]?.double }.max().map { " (\(Self.tenths($0)) s)" } ?? ""
        let states = counts.map { "\($0.count) \($0.state)" }.joined(separator: ", ")
        var text = "\(health): \(streams.count) streams (\(states)), \(Int(rate.rounded())) ticks/s, lag \(lag)"
        text += seconds
        if let first = reasons.first { text += ": \(first)" }
        return text
    }

    private var reasons: [String] { status["reasons"]?.array?.compactMap(\.string) ?? [] }

    private var headline: String {
        var text = "ib-stream: \(health)"
        if status["simulated"]?.bool == true { text += ", simulated" }
        text += ", gateway session \(status["session"]?.string ?? "unknown")"
        if let http = status["http"]?.string { text += ", http://\(http)/health" }
        return text
    }

    private func serviceRow(_ name: String, _ value: JSONValue) -> [String] {
        [
            name,
            value["up"]?.bool == true || value["state"]?.string != "running" ? value["state"]?.string ?? "" : "silent",
            value["pid"]?.integer.map(String.init) ?? "-", "\(value["restarts"]?.integer ?? 0)",
            value["ticks"]?.integer.map(String.init) ?? "-",
            (value["status"]?.string ?? "") + (value["sealed_to"]?.string.map { ", sealed to \($0)" } ?? ""),
        ]
    }

    private func streamRow(_ name: String, _ value: JSONValue) -> [String] {
        let rate = value["ticks_per_second"]?.double ?? 0
        return [
            name, [value["symbol"]?.string, value["exchange"]?.string].compactMap(\.self).joined(separator: " "),
            value["state"]?.string ?? "",
            Self.tenths(rate), value["lag"]?.integer.map(String.init) ?? "-",
            value["durable_lag_seconds"]?.double.map(Self.tenths) ?? "-",
            value["ts_recv"]?.string.map { String($0.prefix(23)).replacing("T", with: " ") } ?? "-",
            value["reason"]?.string ?? "",
        ]
    }

    /// A rate with one digit behind the point, rounded once: 0.96 is 1.0. What no counter reaches is cut.
    private static func tenths(_ rate: Double) -> String {
        let tenths = Int(min(max(0, rate), 1e15) * 10 + 0.5)
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Columns as wide as their widest cell, two blanks between them.
    private func table(_ head: [String], _ rows: [[String]]) -> [String] {
        var widths = head.map(\.count)
        for row in rows { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) } }
        return ([head] + rows).map { row in
            var line = ""
            for (index, cell) in row.enumerated() {
                line +=
                    index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count + 2)
            }
            return line
        }
    }
}
