import Foundation
import Glibc
import Testing

@testable import ServiceKit

@Suite struct DirectoryTrustTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func make(_ name: String, mode: mode_t) -> String {
        let path = directory.path + "/" + name
        mkdir(path, 0o700)
        chmod(path, mode)
        return path
    }

    @Test func ownDirectoriesAndWhatIsYetToBeMadeAreTaken() throws {
        let own = make("own", mode: 0o750)
        #expect(try DirectoryTrust.problem(own) == nil)
        #expect(try DirectoryTrust.problem(own + "/not/there/yet") == nil)
        #expect(try DirectoryTrust.problem(own + "/../own/./") == nil)
        #expect(try DirectoryTrust.problem("/") == nil)
    }

    @Test func oneThatOthersCanWriteToIsRefused() throws {
        let open = make("open", mode: 0o777)
        #expect(try DirectoryTrust.problem(open) == "everybody can write to \(open)")
        #expect(try DirectoryTrust.problem(open + "/below") == "everybody can write to \(open)")
        // The sticky bit keeps others from touching what is below, and lets them put files beside it.
        let sticky = make("sticky", mode: 0o1777)
        #expect(try DirectoryTrust.problem(sticky + "/below") == nil)
        #expect(try DirectoryTrust.problem(sticky) == "everybody can write to \(sticky)")
    }

    @Test func oneOfAnotherUserIsRefused() throws {
        let own = make("mine", mode: 0o755)
        // As somebody else would see it.
        let other = try DirectoryTrust.problem(own, uid: geteuid() + 4321)
        if geteuid() == 0 {
            chown(own, 4321, 4321)
            #expect(try DirectoryTrust.problem(own) == "\(own) belongs to another user (uid 4321)")
        } else {
            #expect(other?.contains("belongs to another user (uid \(geteuid()))") == true)
        }
    }

    @Test func linksAreFollowedToWhereTheyLead() throws {
        let open = make("target", mode: 0o777)
        let link = directory.path + "/link"
        #expect(symlink("target", link) == 0)
        #expect(try DirectoryTrust.problem(link + "/state") == "everybody can write to \(open)")
        chmod(open, 0o700)
        #expect(try DirectoryTrust.problem(link + "/state") == nil)
        let circle = directory.path + "/circle"
        #expect(symlink(circle, circle) == 0)
        #expect(try DirectoryTrust.problem(circle)?.contains("without an end") == true)
    }

    /// A group that many have as their primary one names none of them as its member.
    @Test func onlyAGroupOfTheUsersOwnMayWrite() throws {
        let users = [
            ("ada", 1000, 1000), ("bob", 1001, 100), ("eve", 1002, 100), ("joe", 1003, 1003), ("jim", 1004, 1003),
        ]
        func isAlone(_ name: String, _ gid: gid_t, _ members: [String], _ uid: uid_t) -> Bool {
            let users = users.map { UserGroup.User(name: $0.0, uid: uid_t($0.1), gid: gid_t($0.2)) }
            return UserGroup(gid: gid, name: name, members: members, users: users).isAlone(uid)
        }
        #expect(isAlone("ada", 1000, [], 1000))
        #expect(isAlone("ada", 1000, ["ada"], 1000))
        #expect(!isAlone("ada", 1000, ["bob"], 1000))
        #expect(!isAlone("users", 100, [], 1001), "eve's too")
        #expect(!isAlone("staff", 1000, [], 1000), "nobody else is listed")
        #expect(!isAlone("joe", 1003, [], 1003), "jim's too")
        #expect(!isAlone("guest", 1005, [], 1005), "a user that nobody knows")
        guard geteuid() == 0 else { return }
        let shared = make("shared", mode: 0o770)
        chown(shared, 0, 100)
        #expect(try DirectoryTrust.problem(shared, gid: 100) == "the group 100 can write to \(shared)")
    }

    @Test func whatCanNotBeLookedAtIsNotTrusted() throws {
        let long = directory.path + "/" + String(repeating: "x", count: 300)
        #expect(throws: FileError(path: long, call: "lstat", code: ENAMETOOLONG)) {
            try DirectoryTrust.problem(long + "/state")
        }
        let paths = Paths(state: long, runtime: directory.path + "/run")
        #expect(
            throws: ProgramError(
                .ioError,
                "directory \(long) can't be used: who can write to \(long) is not known: File name too long: "
                    + "choose a directory of your own with --root")
        ) { try paths.makeDirectories() }
        // Who can do without a state directory does.
        try paths.makeDirectories(stateIsOptional: true)
    }

    /// What an earlier owner has left beneath: links to where others can write, directories that are open to others.
    @Test(arguments: ["state/log", "state/ticks", "state/definitions", "run/journal"])
    func whatOthersCanWriteToBeneathIsRefused(name: String) throws {
        let open = make("open", mode: 0o777)
        let own = make("own", mode: 0o750)
        let paths = Paths(state: directory.path + "/state", runtime: directory.path + "/run")
        try paths.makeDirectories()
        let place = directory.path + "/" + name
        #expect(symlink(open, place) == 0)
        #expect(refusal { () throws(ProgramError) in try paths.makeDirectories() } == "everybody can write to \(open)")
        unlink(place)
        _ = make(name, mode: 0o777)
        #expect(refusal { () throws(ProgramError) in try paths.makeDirectories() } == "everybody can write to \(place)")
        if geteuid() == 0 {
            chmod(place, 0o770)
            chown(place, 0, 4321)
            #expect(
                refusal { () throws(ProgramError) in try paths.makeDirectories() }
                    == "the group 4321 can write to \(place)")
            chmod(place, 0o750)
            chown(place, 4321, 0)
            #expect(
                refusal { () throws(ProgramError) in try paths.makeDirectories() }
                    == "\(place) belongs to another user (uid 4321)")
        }
        rmdir(place)
        // Another disk of the same user is as good.
        #expect(symlink(own, place) == 0)
        try paths.makeDirectories()
        #expect(try FileManager.default.contentsOfDirectory(atPath: open).isEmpty)
    }

    @Test func aJournalWhereOthersCanWriteIsRefused() throws {
        let open = make("open", mode: 0o777)
        let paths = Paths(state: directory.path + "/state", runtime: directory.path + "/run")
        for journal in [open, open + "/journal"] {
            #expect(
                throws: ProgramError(
                    .configuration,
                    "'connector.journal_dir' can't be used: everybody can write to \(open): others could plant files there: "
                        + "choose a directory of your own")
            ) { try paths.makeDirectories(journalDirectory: journal) }
        }
        chmod(open, 0o750)
        try paths.makeDirectories(journalDirectory: open)
    }

    /// Why a directory is refused.
    private func refusal(_ body: () throws(ProgramError) -> Void) -> String? {
        do throws(ProgramError) { try body() } catch {
            let parts = error.description.components(separatedBy: ": ")
            return error.status == .configuration && parts.count > 1 ? parts[1] : error.description
        }
        return nil
    }

    @Test func aPlantedLinkIsNotWrittenThrough() throws {
        let target = try directory.file("precious", "kept")
        let path = directory.path + "/file"
        #expect(symlink(target, path + ".new") == 0)
        try Files.writeAtomically(Array("new".utf8), to: path)
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "kept")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
    }
}
