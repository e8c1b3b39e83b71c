internal import Glibc

/// File descriptors: as many as the system gives, and a plain word when these are too few. Without it a service starts,
/// turns every connection away and records nothing.
public enum Descriptors {
    /// Kept from strangers by the messaging core (`CZS_OWN_DESCRIPTORS`) for files and sockets of the process itself.
    private static let own = 128
    /// For the other services, commands, health pages (64) and subscribers.
    private static let connections = 128
    /// Files that sealing has open at the same time, at most: one of 1 MiB a stream within its memory.
    private static let sealedAtOnce = 160

    /// Raises the limit as far as the system allows; returns what it is then.
    public static func takeAll() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return Int.max }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(resource, &raised) == 0 {
                limit = raised
            } else {
                log(.notice, "the limit of descriptors stays as it is", ["error": errorText(errno)])
            }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// What a service with this configuration needs.
    static func needed(_ configuration: Configuration) -> Int {
        own + connections + min(configuration.streams.count, sealedAtOnce) + configuration.publish.tcp.count * 16
    }

    /// Throws 78 when there are fewer than the configuration needs.
    public static func check(_ available: Int, suffices configuration: Configuration) throws(ProgramError) {
        let needed = needed(configuration)
        guard available >= needed else {
            throw ProgramError(
                .configuration,
                "\(available) file descriptors are too few: this configuration needs \(needed): raise the hard limit "
                    + "(LimitNOFILE= in the unit, or ulimit -Hn)")
        }
    }
}
