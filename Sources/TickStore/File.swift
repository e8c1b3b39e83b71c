internal import CLinux
internal import Glibc

/// An open file: closes itself, and every failure names the call and the path.
final class File {
    let descriptor: Int32
    let path: String

    init(_ path: String, _ flags: Int32, mode: mode_t = 0o640) throws(StoreError) {
        let descriptor = open(path, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .system(call: "open", path: path, code: errno) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// The file's length in bytes.
    func size() throws(StoreError) -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(call: "stat", path: path, code: errno) }
        return UInt64(max(0, status.st_size))
    }

    /// True when the file has no name any more.
    func isRemoved() throws(StoreError) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(call: "stat", path: path, code: errno) }
        return status.st_nlink == 0
    }

    /// False when the file was removed; what is written to it goes nowhere. A failing call counts as there.
    var isLinked: Bool {
        var status = stat()
        return fstat(descriptor, &status) != 0 || status.st_nlink > 0
    }

    /// Reads at `offset` until the buffer is full or the file ends; returns the bytes read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        guard let base = buffer.baseAddress, !buffer.isEmpty else { return 0 }
        let got = clx_pread_all(descriptor, base, buffer.count, Int64(clamping: offset))
        guard got >= 0 else { throw .system(call: "pread", path: path, code: Int32(-got)) }
        return Int(got)
    }

    /// Fills `bytes` from `offset`, past bad sectors; false when the file ends before.
    func read(into bytes: inout [UInt8], at offset: UInt64) throws(StoreError) -> Bool {
        let wanted = bytes.count
        // `withUnsafeMutableBytes` cannot throw a typed error of its own here.
        let got = bytes.withUnsafeMutableBytes { raw -> Result<Int, StoreError> in
            do throws(StoreError) { return .success(try readPastBadSectors(into: raw, at: offset)) } catch {
                return .failure(error)
            }
        }
        return try got.get() == wanted
    }

    /// As `read`, but bytes that the disk can't give any more are given as zeros. They make no sound block, so that
    /// what they belong to shows as damage, and the rest of the file can be had.
    func readPastBadSectors(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        do throws(StoreError) { return try read(into: buffer, at: offset) } catch {
            guard error.code == EIO else { throw error }
        }
        let wanted = min(UInt64(buffer.count), max(try size(), offset) - offset)
        var done = 0
        while done < Int(wanted) {
            let at = offset + UInt64(done)
            let pageRest = Int(4096 - at % 4096)
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: buffer[done..<min(Int(wanted), done + pageRest)])
            do throws(StoreError) {
                // Shorter than expected: the file was cut meanwhile.
                guard try read(into: piece, at: at) == piece.count else { return done }
            } catch {
                guard error.code == EIO else { throw error }
                piece.initializeMemory(as: UInt8.self, repeating: 0)
            }
            done += piece.count
        }
        return done
    }

    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        var piece = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        let code = clx_pwritev_all(descriptor, &piece, 1, Int64(offset))
        guard code == 0 else { throw .system(call: "pwrite", path: path, code: code) }
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws(StoreError) {
        // `withUnsafeBytes` cannot throw a typed error of its own here.
        let failure: StoreError? = bytes.withUnsafeBytes { raw in
            do throws(StoreError) {
                try write(raw, at: offset)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    /// Waits until the file's data is on the device.
    func syncData() throws(StoreError) {
        while fdatasync(descriptor) != 0 {
            guard errno == EINTR else { throw .system(call: "fdatasync", path: path, code: errno) }
        }
    }

    /// Gives the file this length, and blocks for all of it. False when its file system has no such call.
    func reserve(bytes: UInt64) throws(StoreError) -> Bool {
        let code = clx_fallocate(descriptor, 0, Int64(bytes))
        if code == 0 { return true }
        guard clx_is_refusal(code) != 0 else { throw .system(call: "fallocate", path: path, code: code) }
        clx_note_refusal(CLX_NO_RESERVATION, path, code)
        return false
    }

    /// The same with zeros, from the file's end on: a file that is long enough has been filled.
    /// Takes the time of a write of all of it.
    ///
    /// - Parameter afterEach: called after each MiB.
    func fillWithZeros(to bytes: UInt64, afterEach: () -> Void) throws(StoreError) {
        var end = try size()
        guard end < bytes else { return }
        // Asked first, so that no room costs no writing.
        var room = statvfs()
        if fstatvfs(descriptor, &room) == 0, room.f_blocks > 0, room.f_frsize > 0,
            UInt64(room.f_bavail) < (bytes - end) / UInt64(room.f_frsize)
        {
            throw .system(call: "write", path: path, code: ENOSPC)
        }
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        while end < bytes {
            let count = min(UInt64(zeros.count), bytes - end)
            try write(count == zeros.count ? zeros : Array(zeros[..<Int(count)]), at: end)
            end += count
            afterEach()
        }
    }

    func truncate(to bytes: UInt64) throws(StoreError) {
        guard ftruncate(descriptor, off_t(bytes)) == 0 else {
            throw .system(call: "ftruncate", path: path, code: errno)
        }
    }
}

/// Calls on directories and names.
enum Directory {
    /// Makes the directory and those above it where they are missing, durably.
    static func make(_ path: String) throws(StoreError) {
        var prefix = ""
        for component in path.split(separator: "/", omittingEmptySubsequences: true) {
            let above = prefix.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : prefix
            prefix += (prefix.isEmpty && !path.hasPrefix("/") ? "" : "/") + component
            // Looked for first: mkdir waits for a frozen disk also where there is nothing to make.
            if access(prefix, F_OK) == 0 { continue }
            if mkdir(prefix, 0o750) == 0 {
                try sync(above)
            } else if errno != EEXIST {
                throw .system(call: "mkdir", path: prefix, code: errno)
            }
        }
    }

    /// The names in a directory, in no order.
    static func names(_ path: String) throws(StoreError) -> [String] {
        guard let stream = opendir(path) else { throw .system(call: "opendir", path: path, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw .system(call: "readdir", path: path, code: errno) }
        return names
    }

    /// Makes new and removed names durable.
    static func sync(_ path: String) throws(StoreError) {
        let code = clx_sync_directory(path)
        // A directory above ours that may be entered and not be read can't be synced by this user.
        guard code == 0 || code == EACCES else { throw .system(call: "fsync", path: path, code: code) }
    }

    /// Removes a file; one that is gone already is no error.
    static func remove(_ path: String) throws(StoreError) {
        if unlink(path) != 0, errno != ENOENT { throw .system(call: "unlink", path: path, code: errno) }
    }
}
