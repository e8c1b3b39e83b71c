internal import ServiceKit
internal import Ticks

/// Small files that the write thread keeps for the ingest thread, which never waits for the disk. Newer ones take the
/// place of older ones, so that this is bounded.
struct Papers: Sendable, Equatable {
    /// More definitions wait only while the disk takes none: later ones are left out, and come again with the next
    /// subscription to the feed.
    static let definitionLimit = 1024

    /// The word of `<state>/origin`.
    var origin: String?
    /// Instruments as JSON.
    var definitions: [ContractID: [UInt8]] = [:]

    var isEmpty: Bool { origin == nil && definitions.isEmpty }

    mutating func add(definition: [UInt8], of contract: ContractID) {
        guard definitions[contract] != nil || definitions.count < Papers.definitionLimit else { return }
        definitions[contract] = definition
    }

    /// These papers, with `newer` ones in place of older.
    func updated(with newer: Papers) -> Papers {
        var result = newer
        result.origin = newer.origin ?? origin
        for (contract, definition) in definitions where newer.definitions[contract] == nil {
            result.add(definition: definition, of: contract)
        }
        return result
    }

    /// Writes `<state>/origin`, unless it says the same already. Nothing is ever written over another word.
    func writeOrigin(_ paths: Paths) throws(FileError) {
        guard let origin else { return }
        let path = Origin.path(state: paths.state)
        let bytes = Array("\(origin)\n".utf8)
        if Files.contents(path, maxBytes: 64) == bytes { return }
        try Files.makeDirectory(paths.state)
        try Files.writeAtomically(bytes, to: path)
    }

    /// Writes them into `<state>/definitions`; returns what could not be written, and why.
    func writeDefinitions(_ paths: Paths) -> (papers: Papers, fault: FileError?) {
        var left = Papers()
        var fault: FileError?
        for (contract, definition) in definitions {
            do throws(FileError) {
                try Files.makeDirectory(paths.definitions)
                try Files.writeAtomically(definition + [0x0A], to: paths.definition(contract), sync: false)
            } catch {
                left.definitions[contract] = definition
                fault = error
            }
        }
        return (left, fault)
    }
}
