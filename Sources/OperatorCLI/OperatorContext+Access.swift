internal import Glibc
internal import ServiceKit

extension OperatorContext {
    /// As `locate`, for a command that connects to running services. Throws 77 at once where this user may not use
    /// their sockets: a connection would only be tried again and again, in silence.
    func locateServices(_ command: String) throws(ProgramError) -> (configuration: Configuration, paths: Paths) {
        let real = try Paths(
            configuration: load().configuration, simulate: flags.has("simulate"), environment: environment)
        try Self.requireAccess(command, real)
        let found = try locate()
        if found.paths != real { try Self.requireAccess(command, found.paths) }
        return found
    }

    /// What is not there yet is no problem of permissions.
    private static func requireAccess(_ command: String, _ paths: Paths) throws(ProgramError) {
        let sockets = [
            paths.watchdogSocket, paths.connectorSocket, paths.recorderSocket, paths.ticksSocket, paths.durableSocket,
            paths.historySocket, paths.replaySocket,
        ]
        let denied =
            access(paths.runtime, X_OK) != 0 && errno == EACCES
            ? paths.runtime
            : sockets.first { socket in
                access(socket, W_OK) != 0 && errno == EACCES
            }
        if let denied { throw Self.denied("\(command): \(denied): permission denied") }
    }

    /// This user may use neither the sockets nor the files of the system.
    static func denied(_ what: String) -> ProgramError {
        ProgramError(.permission, "\(what): become a member of the group ib-stream, or the user who runs it")
    }
}
