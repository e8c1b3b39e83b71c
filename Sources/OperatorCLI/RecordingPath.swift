internal import Glibc
internal import ServiceKit
internal import TickStore

/// Recordings that a command is given by a path instead of the configuration.
enum RecordingPath {
    /// All that belongs to recordings at or below a directory.
    static func found(_ command: String, under path: String) throws(ProgramError) -> [RecordingSearch.Found] {
        do throws(StoreError) { return try RecordingSearch.find(under: Self.plain(path)) } catch {
            throw CatSelection.failure(command, error)
        }
    }

    /// The state directory of the one recording at or below a path: what a command may change is never chosen by luck.
    ///
    /// Throws 66 when there is none, 64 when there are several and the path is not one of them.
    static func state(_ command: String, _ path: String) throws(ProgramError) -> String {
        guard try isDirectory(command, path) else {
            throw ProgramError(.noInput, "\(command): \(path): a file: name the directory of a recording")
        }
        let states = try found(command, under: path).filter(\.isRecording).map(\.path)
        if states.contains(plain(path)) { return plain(path) }
        guard let first = states.first else {
            throw ProgramError(
                .noInput,
                "\(command): \(path): nothing is recorded in it: neither a log nor segments: name a recording's directory"
            )
        }
        guard states.count == 1 else {
            throw ProgramError(
                .usage, "\(command): \(path): \(states.count) recordings: name one: \(states.joined(separator: ", "))")
        }
        return first
    }

    /// False for a file. Throws 66 when there is nothing, and 77 where this user may not look.
    static func isDirectory(_ command: String, _ path: String) throws(ProgramError) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let code = errno
            let what = "\(command): \(path): \(errorText(code))"
            throw code == EACCES ? OperatorContext.denied(what) : ProgramError(.noInput, what + ": check the path")
        }
        return status.st_mode & S_IFMT == S_IFDIR
    }

    private static func plain(_ path: String) -> String {
        var path = path
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
