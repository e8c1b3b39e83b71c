internal import CLinux
internal import Glibc

/// What the process was started with.
public enum ProcessEnvironment {
    /// All variables that have a value: an empty one counts as not set, for us and for the processes that we start.
    /// Read once at the start; nothing in the product changes them.
    public static func variables() -> [String: String] {
        guard var at = clx_environment() else { return [:] }
        var entries: [String] = []
        while let entry = at.pointee {
            entries.append(String(cString: entry))
            at += 1
        }
        return variables(in: entries)
    }

    /// To be asked before arguments are used: the language's run-time reads them from
    /// `/proc/self/cmdline`, and without `/proc` there seem to be none. A program must not go on with the
    /// default configuration then. Throws 74 with one line.
    public static func requireArguments() throws(ProgramError) {
        guard access("/proc/self/cmdline", R_OK) == 0 else {
            throw ProgramError(
                .ioError, "/proc is not there, and with it the arguments: mount it (mount -t proc proc /proc)")
        }
    }

    /// Of entries such as `NAME=value`.
    static func variables(in entries: [String]) -> [String: String] {
        var result: [String: String] = [:]
        for entry in entries {
            guard let equals = entry.firstIndex(of: "=") else { continue }
            let value = entry[entry.index(after: equals)...]
            if !value.isEmpty { result[String(entry[..<equals])] = String(value) }
        }
        return result
    }

    /// The path of an executable of the product: beside the running one.
    public static func sibling(_ name: String) -> String? {
        guard let own = Files.linkTarget("/proc/self/exe") else { return nil }
        // After an upgrade the link reads "PATH (deleted)"; the directory is the same.
        return Files.parent(of: own) + "/" + name
    }

    /// When a process started, in clock ticks since boot (field 22 of `/proc/PID/stat`): with the pid it names one
    /// process for ever. Nil when there is no such process.
    public static func startTicks(pid: Int32) -> UInt64? {
        guard let bytes = Files.contents("/proc/\(pid)/stat", maxBytes: 4096) else { return nil }
        // The name in parentheses may hold anything, so that counting begins behind the last one.
        guard let close = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = String(decoding: bytes[(close + 1)...], as: UTF8.self).split(separator: " ")
        guard fields.count > 19 else { return nil }
        return UInt64(fields[19])
    }
}
