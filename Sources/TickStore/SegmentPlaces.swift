internal import Glibc
internal import Ticks

/// Where the sealed files of streams are, looked up without walking through all of them. One thread.
struct SegmentPlaces {
    let directory: String
    /// The directories of each contract: one, or several when its symbol has changed.
    private var symbols: [Int32: [String]] = [:]

    /// Reads the names of the contracts' directories; a missing directory has none.
    init(_ directory: String) throws(StoreError) {
        self.directory = directory
        let names: [String]
        do throws(StoreError) { names = try Directory.names(directory) } catch {
            guard error.code == ENOENT else { throw error }
            return
        }
        for name in names {
            guard let contract = SegmentName.contract(name) else { continue }
            symbols[contract.conId, default: []].append(contract.symbol)
        }
        for conId in symbols.keys { symbols[conId]?.sort() }
    }

    /// The symbol in the path of a contract's files; `_` where it has none.
    func symbol(of conId: Int32) -> String { symbols[conId]?.last ?? "_" }

    /// The file of a stream's hour, whatever the symbol in its path; nil when there is none.
    func existing(_ stream: StreamID, hour: Int64) throws(StoreError) -> SegmentName? {
        for symbol in symbols[stream.conId] ?? [] {
            let name = SegmentName(stream: stream, symbol: symbol, hour: hour)
            let path = name.path(in: directory)
            var status = stat()
            if stat(path, &status) == 0 { return name }
            guard errno == ENOENT || errno == ENOTDIR else { throw .system(call: "stat", path: path, code: errno) }
        }
        return nil
    }

    /// The hours that a stream has files of, rising; each with the symbol in its path. One that
    /// stands there under two symbols comes twice.
    func hours(of stream: StreamID) throws(StoreError) -> [(hour: Int64, symbol: String)] {
        var found: [(hour: Int64, symbol: String)] = []
        for symbol in symbols[stream.conId] ?? [] {
            let path = SegmentName(stream: stream, symbol: symbol, hour: 0).streamPath
            for hour in try SegmentName.hours(directory + "/" + path) { found.append((hour, symbol)) }
        }
        return found.sorted { ($0.hour, $0.symbol) < ($1.hour, $1.symbol) }
    }
}
