internal import ServiceKit

/// The machine's pressure (PSI): how much of the last ten seconds all work stood still for memory or disk.
enum Pressure {
    /// 1 without pressure, up to 3: how much longer deadlines are.
    static func stretch() -> Double {
        let worst = max(full("/proc/pressure/memory"), full("/proc/pressure/io"))
        return 1 + 2 * min(1, worst / 40)
    }

    /// `full avg10` in per cent; 0 where the kernel does not tell.
    private static func full(_ path: String) -> Double {
        guard let bytes = Files.contents(path, maxBytes: 4096) else { return 0 }
        return full(parsing: String(decoding: bytes, as: UTF8.self))
    }

    static func full(parsing text: String) -> Double {
        for line in text.split(separator: "\n") where line.hasPrefix("full ") {
            for word in line.split(separator: " ") where word.hasPrefix("avg10=") {
                return Double(word.dropFirst("avg10=".count)) ?? 0
            }
        }
        return 0
    }
}
