internal import CLinux
internal import Glibc

/// A file operation that failed: the path, what was tried, and errno.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
    public let path: String
    /// Such as `open` or `fsync`.
    public let call: String
    public let code: Int32

    public init(path: String, call: String, code: Int32) {
        self.path = path
        self.call = call
        self.code = code
    }

    /// Nothing stands at the path.
    public var isMissing: Bool { code == ENOENT }
    public var reason: String { code == EFBIG ? "too large" : errorText(code) }
    public var description: String { "\(path): \(call): \(reason)" }
}

/// The system's words for an errno value.
public func errorText(_ code: Int32) -> String {
    guard let text = clx_error_text(code) else { return "error \(code)" }
    return String(cString: text)
}

/// Small files and directories, whole, without Foundation.
public enum Files {
    /// The bytes of a file of at most `maxBytes`. EFBIG if it is longer, EISDIR for a directory.
    public static func read(_ path: String, maxBytes: Int) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, call: "open", code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let got = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if got < 0 {
                if errno == EINTR { continue }
                throw FileError(path: path, call: "read", code: errno)
            }
            if got == 0 { return bytes }
            guard bytes.count + got <= maxBytes else { throw FileError(path: path, call: "read", code: EFBIG) }
            bytes.append(contentsOf: chunk[0..<got])
        }
    }

    /// The bytes of a file whose absence is an answer like any other (a process that ended, a lock that nobody took);
    /// nil when it can't be read, for whatever reason.
    public static func contents(_ path: String, maxBytes: Int) -> [UInt8]? {
        do throws(FileError) {
            return try read(path, maxBytes: maxBytes)
        } catch {
            return nil
        }
    }

    /// Replaces a file in one step: after a crash there is the old content or the new one, never a mixture.
    ///
    /// Written beside it, fsynced, renamed, and (with `sync`) the directory fsynced.
    public static func writeAtomically(
        _ bytes: [UInt8], to path: String, mode: UInt32 = 0o640, sync: Bool = true
    ) throws(FileError) {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw FileError(path: temporary, call: "open", code: errno) }
        var failure = writeAll(descriptor, bytes)
        if failure == 0, sync, fsync(descriptor) != 0 { failure = errno }
        if Glibc.close(descriptor) != 0, failure == 0 { failure = errno }
        guard failure == 0 else {
            unlink(temporary)
            throw FileError(path: temporary, call: "write", code: failure)
        }
        guard rename(temporary, path) == 0 else { throw FileError(path: path, call: "rename", code: errno) }
        if sync { try syncDirectory(parent(of: path)) }
    }

    /// Writes all bytes; 0 or errno.
    static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Int32 {
        bytes.withUnsafeBytes { buffer in
            var at = 0
            while at < buffer.count {
                let put = write(descriptor, buffer.baseAddress! + at, buffer.count - at)
                if put < 0 {
                    if errno == EINTR { continue }
                    return errno
                }
                at += put
            }
            return 0
        }
    }

    /// Makes the entries of a directory durable.
    public static func syncDirectory(_ path: String) throws(FileError) {
        let code = clx_sync_directory(path)
        guard code == 0 else { throw FileError(path: path, call: "fsync", code: code) }
    }

    /// Makes a directory and those above it, durably; what is there already stays as it is.
    /// Fails unless it can be entered and written.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o750) throws(FileError) {
        var prefix = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            let above = prefix.isEmpty ? "/" : prefix
            prefix += "/" + part
            // Looked for first: mkdir waits for a frozen disk also where there is nothing to make.
            if access(prefix, F_OK) == 0 { continue }
            if mkdir(prefix, mode) == 0 {
                do throws(FileError) { try syncDirectory(above) } catch {
                    // A directory that may be entered and not be read can't be synced by this user.
                    guard error.code == EACCES else { throw error }
                }
            } else if errno != EEXIST {
                throw FileError(path: prefix, call: "mkdir", code: errno)
            }
        }
        var info = stat()
        guard stat(path, &info) == 0 else { throw FileError(path: path, call: "stat", code: errno) }
        guard info.st_mode & S_IFMT == S_IFDIR else { throw FileError(path: path, call: "mkdir", code: ENOTDIR) }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw FileError(path: path, call: "access", code: errno) }
    }

    /// The path from the file system's root; a relative one is below the working directory.
    public static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let here = linkTarget("/proc/self/cwd") else { return path }
        return path == "." ? here : here + "/" + path
    }

    /// The path from the root with links followed, as far as it exists.
    static func resolved(_ path: String) -> String {
        let path = absolute(path)
        guard let real = realpath(path, nil) else {
            let above = parent(of: path)
            guard above != path, let name = path.split(separator: "/").last else { return path }
            return (above == "/" ? "" : resolved(above)) + "/" + name
        }
        defer { free(real) }
        return String(cString: real)
    }

    /// The path without its last part.
    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The target of a symbolic link; nil if it is none.
    public static func linkTarget(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let length = readlink(path, base, buffer.count)
            guard length > 0, length < buffer.count else { return nil }
            return String(decoding: UnsafeRawBufferPointer(start: base, count: length), as: UTF8.self)
        }
    }
}
