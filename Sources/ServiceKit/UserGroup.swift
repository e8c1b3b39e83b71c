internal import Glibc

/// A group of users as the system knows it. Owner: the main thread, before others start: the
/// system's calls are not made for several.
struct UserGroup {
    struct User: Equatable {
        let name: String
        let uid: uid_t
        /// His primary group, of which the group's own list of members says nothing.
        let gid: gid_t
    }

    let gid: gid_t
    let name: String
    /// Users that are in it beside those whose primary group it is.
    let members: [String]
    /// All users that the system lists: some directory services list none.
    let users: [User]

    init(gid: gid_t, name: String, members: [String], users: [User]) {
        self.gid = gid
        self.name = name
        self.members = members
        self.users = users
    }

    /// Nil: there is no such group.
    init?(_ gid: gid_t) {
        guard let group = getgrgid(gid), let name = group.pointee.gr_name else { return nil }
        self.gid = gid
        self.name = String(cString: name)
        var members: [String] = []
        var next = group.pointee.gr_mem
        while let list = next, let member = list.pointee {
            members.append(String(cString: member))
            next = list + 1
        }
        self.members = members
        users = UserGroup.allUsers()
    }

    private static func allUsers() -> [User] {
        var users: [User] = []
        setpwent()
        defer { endpwent() }
        while let entry = getpwent() {
            guard let name = entry.pointee.pw_name else { continue }
            users.append(User(name: String(cString: name), uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid))
        }
        return users
    }

    /// Whether it is the user's alone: made for him, so that it has his name, and nobody else is in it. A group of
    /// another name, such as `users`, may be that of people whom the system does not list.
    func isAlone(_ uid: uid_t) -> Bool {
        let names = users.filter { $0.uid == uid }.map(\.name)
        return names.contains(name) && members.allSatisfy(names.contains)
            && users.allSatisfy { $0.gid != gid || $0.uid == uid }
    }
}
