/// The exit statuses of every program of the product, after sysexits.h.
public enum ExitStatus: Int32, Sendable {
    case success = 0
    /// A check failed: what was asked for is not so. Also a thread that failed for good.
    case failure = 1
    /// For `status`: down or not running.
    case down = 2
    /// A wrong command line, or a command that is not built yet.
    case usage = 64
    /// Input is missing.
    case noInput = 66
    /// A service that is needed does not run.
    case unavailable = 69
    /// Reading or writing failed.
    case ioError = 74
    /// The user may not do that.
    case permission = 77
    /// Wrong configuration, or another instance holds the lock. Units do not restart on it.
    case configuration = 78
}

/// An error that ends a program: one line `what: why: what to do` and the exit status.
public struct ProgramError: Error, Sendable, Equatable, CustomStringConvertible {
    public let status: ExitStatus
    /// Without the program's name in front and without a newline.
    public let description: String

    public init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
