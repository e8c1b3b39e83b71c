internal import Glibc
internal import Ticks

/// Gives back what a damaged file had, from the connector's journal, as far as that still has it. One thread.
struct JournalFiller: ~Copyable {
    private static let pageRecords = 8192

    private var reader: JournalReader?
    /// True when there are files of a journal, or may be.
    let hasJournal: Bool
    /// Why the journal could not be read; nil: it could.
    private(set) var fault: StoreError?

    /// - directory: of the journal, which may be written meanwhile; nil: there is none.
    init(directory: String?) {
        if let directory { reader = JournalReader(directory: directory) }
        hasJournal = directory.map(JournalFiller.hasFiles) ?? false
    }

    private static func hasFiles(_ directory: String) -> Bool {
        do throws(StoreError) {
            return try Directory.names(directory).contains { JournalFiles.number($0, ".log") != nil }
        } catch { return error.code != ENOENT }
    }

    /// The stream's records of a range of keys that the journal has, in the order of keys. What it
    /// can't give is no error: then it is lost.
    mutating func records(of stream: StreamID, _ first: TickKey, _ last: TickKey) -> [Tick] {
        var found: [Tick] = []
        var want = first
        do throws(StoreError) {
            while want <= last {
                let page = try reader?.read(stream, from: want, limit: JournalFiller.pageRecords) { run in
                    for tick in run where tick.key >= first && tick.key <= last { found.append(tick) }
                }
                guard let page, page.goneFirst != nil || page.records > 0 else { break }
                want = page.next
            }
        } catch {
            fault = error
        }
        return found
    }
}
