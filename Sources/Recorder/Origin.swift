internal import Glibc
internal import ServiceKit
internal import Ticks

/// Whether a state directory holds simulated or real ticks: decided by its first tick, for ever.
///
/// The file `<state>/origin` has one word, `simulated` or `live`. A recorder refuses ticks of the other kind, so that
/// nobody finds invented prices in a real recording. The ingest thread decides; the write thread
/// keeps the word, before the first record.
struct Origin: Sendable {
    private let path: String
    private static let simulatedWord = "simulated"
    private static let liveWord = "live"
    /// Nil until the first tick decides.
    private(set) var word: String?

    /// Reads what is decided. Throws when the file can't be read or says something else.
    init(state: String) throws(ProgramError) {
        path = Origin.path(state: state)
        do throws(FileError) {
            let text = String(decoding: try Files.read(path, maxBytes: 64), as: UTF8.self)
            word = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        } catch {
            guard error.code == ENOENT else { throw ProgramError(.ioError, "\(error)") }
            return
        }
        guard word == Origin.simulatedWord || word == Origin.liveWord else {
            throw ProgramError(
                .ioError, "\(path): says neither simulated nor live: write the word that is true into it")
        }
    }

    static func path(state: String) -> String { state + "/origin" }

    var isKnown: Bool { word != nil }
    /// What every record of this root carries.
    var flags: TickFlags { word == Origin.simulatedWord ? .simulated : [] }

    /// Decides by the first tick; throws 78 for a tick of the other kind. True when it has decided just
    /// now: the word has to be written to `path`.
    mutating func check(_ tick: Tick) throws(ProgramError) -> Bool {
        let isSimulated = tick.flags.contains(.simulated)
        guard let word else {
            word = isSimulated ? Origin.simulatedWord : Origin.liveWord
            return true
        }
        guard (word == Origin.simulatedWord) != isSimulated else { return false }
        throw ProgramError(
            .configuration,
            isSimulated
                ? "simulated ticks for the real recording in \(path): refused: use another --root, or --simulate"
                : "real ticks for the simulated recording in \(path): refused: use another --root")
    }
}
