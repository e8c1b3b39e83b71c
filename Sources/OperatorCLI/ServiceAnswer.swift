internal import JSON
internal import Messaging
internal import ServiceKit

/// What a running service answers to a command without members.
enum ServiceAnswer {
    private static let timeoutMillis: Int32 = 2000

    /// - Parameter service: `connector`, `recorder` or `watchdog`.
    /// - Returns: nil when it does not run, or does not answer: then nobody knows.
    static func ask(_ service: String, _ command: String, _ paths: Paths) -> JSONValue? {
        guard ServiceLock.isHeld(name: "ib-\(service)", paths: paths) else { return nil }
        do throws(MessagingError) {
            let messaging = try Context()
            var client = try ControlClient(in: messaging)
            try client.connect(Paths.endpoint(paths.controlSocket(service)))
            return try client.call(command, timeoutMillis: timeoutMillis)
        } catch {
            return nil
        }
    }
}
