internal import CLinux
internal import Glibc

/// The second name of a damaged file, `<name>.damaged` or `<name>.damaged2` …: the first that is free.
enum DamagedFile {
    /// Gives the file that name in place of its own, durably.
    static func rename(_ path: String) throws(StoreError) {
        try give(path) { clx_rename_exclusively(path, $0) }
    }

    /// Gives it that name beside its own, durably. On a file system without such links it is a copy.
    static func keep(_ path: String, canLink: Bool = true) throws(StoreError) {
        var refusal: Int32 = canLink ? 0 : EOPNOTSUPP
        if canLink {
            try give(path) { aside in
                guard link(path, aside) != 0 else { return 0 }
                let code = errno
                guard clx_is_refusal(code) != 0 || code == EMLINK || code == EXDEV else { return code }
                refusal = code
                return 0
            }
        }
        guard refusal != 0 else { return }
        clx_note_refusal(CLX_NO_LINK, path, refusal)
        // Whole before it has the name.
        let copy = path + ".copying"
        try self.copy(path, to: copy)
        try give(path) { clx_rename_exclusively(copy, $0) }
    }

    /// Tries names until `take` says 0, and not that the name is taken.
    private static func give(_ path: String, _ take: (String) -> Int32) throws(StoreError) {
        var aside = path + ".damaged"
        var number = 2
        while true {
            let code = take(aside)
            if code == 0 { break }
            guard code == EEXIST else { throw .system(call: "link", path: aside, code: code) }
            aside = "\(path).damaged\(number)"
            number += 1
        }
        try Directory.sync(PartName.directory(of: path))
    }

    /// Bytes that the disk can't give any more are zeros in the copy.
    private static func copy(_ path: String, to copy: String) throws(StoreError) {
        try Directory.remove(copy)
        let from = try File(path, O_RDONLY)
        let into = try File(copy, O_RDWR | O_CREAT | O_EXCL)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 8)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while true {
            let count = try from.readPastBadSectors(into: buffer, at: offset)
            guard count > 0 else { break }
            try into.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset)
            offset += UInt64(count)
        }
        try into.syncData()
    }
}
