internal import CLinux
internal import Glibc
internal import Ticks

/// What stands where no other file of a recording should: links, directories, sealed files in each other's places.
extension Repair {
    /// What has a sealed file's name and is no file, or a link to none, is set aside as it is:
    /// the file that was there counts as gone.
    mutating func setAsideWhatIsNoFile() throws(StoreError) {
        for name in try SegmentName.list(ticksDirectory: ticksDirectory) {
            let path = name.path(in: ticksDirectory)
            var status = stat()
            if stat(path, &status) == 0 {
                guard status.st_mode & S_IFMT != S_IFREG else { continue }
            } else {
                let code = errno
                guard code == ENOENT || code == ELOOP else { throw .system(call: "stat", path: path, code: code) }
            }
            try setAside(path, replacement: nil)
            report.actions.append(.init(path: path, what: "is no file: set aside"))
        }
    }

    /// Sealed files that stand in each other's places go back: the list tells by their SHA-256 which is whose.
    mutating func repairPlaces() throws(StoreError) {
        let list = try SealedList(stateDirectory: stateDirectory)
        guard !list.isMissing else { return }
        let places = try SegmentPlaces(ticksDirectory)
        // Where a file belongs that is not there.
        var wanted: [[UInt8]: String] = [:]
        var strangers: [String] = []
        for name in try SegmentName.list(ticksDirectory: ticksDirectory) {
            let path = name.path(in: ticksDirectory)
            guard let entry = try list.entry(name.stream, hour: name.hour), let sha256 = try sha256(of: path),
                sha256 != entry.sha256
            else { continue }
            wanted[entry.sha256] = path
            strangers.append(path)
        }
        guard !strangers.isEmpty else { return }
        for entry in try SealedFiles(stateDirectory: stateDirectory, opensAll: false).gone {
            let name = SegmentName(
                stream: entry.stream, symbol: places.symbol(of: entry.stream.conId), hour: entry.hour)
            wanted[entry.sha256] = name.path(in: ticksDirectory)
        }
        for path in strangers {
            // Each step puts one file in its place for good.
            while let sha256 = try sha256(of: path), let place = wanted[sha256], place != path {
                wanted[sha256] = nil
                try exchange(path, place)
                report.actions.append(.init(path: place, what: "stood in another file's place: put back"))
            }
        }
    }

    private func sha256(of path: String) throws(StoreError) -> [UInt8]? {
        let file: File
        do throws(StoreError) { file = try File(path, O_RDONLY) } catch {
            guard error.code == ENOENT else { throw error }
            return nil
        }
        return try SegmentFooter(of: file, size: try file.size())?.sha256
    }

    private func exchange(_ path: String, _ place: String) throws(StoreError) {
        var directories = DurableDirectories()
        try directories.make(PartName.directory(of: place), below: ticksDirectory)
        let code = access(place, F_OK) == 0 ? clx_exchange(path, place) : clx_rename_exclusively(path, place)
        guard code == 0 else { throw .system(call: "rename", path: place, code: code) }
        for path in [path, place] { try Directory.sync(PartName.directory(of: path)) }
    }
}
