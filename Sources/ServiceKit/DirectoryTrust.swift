internal import Glibc

/// Refuses directories in which somebody else could plant files: a link that another user puts where a service of root
/// is about to write makes root overwrite the link's target.
///
/// Every directory from `/` down, links followed, belongs to this user or to root. Others may write only where the
/// system keeps them from touching what is not theirs (the sticky bit, as in `/tmp`), and never to the directory
/// itself. Then whatever is below was put there by this user or by root, and nobody else can put anything in its place
/// while services run: paths are as good as descriptors of directories (`openat`) would be. Checked are the directories
/// themselves and those beneath that have fixed names. Deeper ones are made by services alone: somebody else can have
/// left something there only while the whole was his, before it was given to this user.
public enum DirectoryTrust {
    private static let mostLinks = 40

    /// Checks what there is of a path; the rest, which is yet to be made, is beneath it. Throws 78 with
    /// one line, and 74 where it can't be known.
    ///
    /// - Parameters:
    ///   - key: of the configuration, which names the directory; nil: it is below the root.
    ///   - asOwner: decides for the owner of what there is of it, as whom services are
    ///   likely to run. Where that can't be looked
    ///     at, nothing is known, and nothing said.
    public static func check(_ path: String, key: String? = nil, asOwner: Bool = false) throws(ProgramError) {
        let name = key.map { "'\($0)'" } ?? "directory \(path)"
        let choice = "choose a directory of your own" + (key == nil ? " with --root" : "")
        let problem: String?
        do throws(FileError) {
            let path = Files.absolute(path)
            let owner = asOwner ? owner(of: path) : (uid: geteuid(), gid: getegid())
            problem = try self.problem(path, uid: owner.uid, gid: owner.gid)
        } catch {
            if asOwner { return }
            throw ProgramError(
                .ioError,
                "\(name) can't be used: who can write to \(error.path) is not known: \(error.reason): \(choice)")
        }
        if let problem {
            throw ProgramError(
                .configuration, "\(name) can't be used: \(problem): others could plant files there: \(choice)")
        }
    }

    /// Of a directory, or of the one in which it would be made.
    private static func owner(of path: String) -> (uid: uid_t, gid: gid_t) {
        var path = path
        var info = stat()
        while stat(path, &info) != 0, path != "/" { path = Files.parent(of: path) }
        return (info.st_uid, info.st_gid)
    }

    /// Nil when nobody else can write on the way, or what is wrong. Throws where that can't be looked at.
    static func problem(
        _ path: String, uid: uid_t = geteuid(), gid: gid_t = getegid()
    ) throws(FileError) -> String? {
        var rest = path.split(separator: "/").map(String.init)[...]
        var at: [String] = []
        var links = 0
        while true {
            let here = "/" + at.joined(separator: "/")
            var info = stat()
            guard lstat(here, &info) == 0 else {
                let code = errno
                if code == ENOENT { return nil }
                throw FileError(path: here, call: "lstat", code: code)
            }
            guard info.st_uid == uid || info.st_uid == 0 else {
                return "\(here) belongs to another user (uid \(info.st_uid))"
            }
            if info.st_mode & S_IFMT == S_IFLNK {
                links += 1
                guard links <= mostLinks, let target = Files.linkTarget(here) else {
                    return "\(here) is a link without an end"
                }
                at = target.hasPrefix("/") ? [] : at.dropLast()
                rest = target.split(separator: "/").map(String.init) + rest
            } else {
                if let writers = writers(info, uid, gid), rest.isEmpty || info.st_mode & S_ISVTX == 0 {
                    return "\(writers) can write to \(here)"
                }
                // Something else than a directory: whoever makes directories says so.
                guard info.st_mode & S_IFMT == S_IFDIR else { return nil }
            }
            // What comes next; `.` and `..` are no names.
            while let next = rest.first, next == "." || next == ".." {
                if next == "..", !at.isEmpty { at.removeLast() }
                rest = rest.dropFirst()
            }
            guard let next = rest.popFirst() else { return nil }
            at.append(next)
        }
    }

    /// Who but the owner may write; nil: nobody. A group counts unless it is the user's alone.
    private static func writers(_ info: stat, _ uid: uid_t, _ gid: gid_t) -> String? {
        if info.st_mode & S_IWOTH != 0 { return "everybody" }
        guard info.st_mode & S_IWGRP != 0, info.st_gid != 0 else { return nil }
        if info.st_gid == gid, UserGroup(gid)?.isAlone(uid) == true { return nil }
        return "the group \(info.st_gid)"
    }
}
