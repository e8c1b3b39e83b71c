import Foundation

/// A directory that is removed with the object.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        // Short: sockets lie in it.
        path = "/tmp/ibkit-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file below it and returns its path.
    func file(_ name: String, _ text: String) throws -> String {
        let file = path + "/" + name
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        return file
    }
}
