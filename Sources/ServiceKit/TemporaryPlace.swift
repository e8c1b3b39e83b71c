internal import Glibc

/// A place where files do not stay.
struct TemporaryPlace: Equatable {
    let root: String
    /// What becomes of files there, after "which".
    let fate: String

    private static let all = [
        TemporaryPlace(root: "/tmp", fate: "where systems remove files that are some days old"),
        TemporaryPlace(root: "/var/tmp", fate: "where systems remove files that are some weeks old"),
        TemporaryPlace(root: "/dev/shm", fate: "which is memory and ends with the system"),
    ]

    /// The place that a path leads to, links followed; nil for any other.
    static func of(_ path: String) -> TemporaryPlace? {
        let real = Files.resolved(path)
        return all.first { place in
            let root = Files.resolved(place.root)
            return real == root || real.hasPrefix(root + "/")
        }
    }
}
