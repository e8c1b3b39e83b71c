/// One decoder under fuzzing.
struct Target: Sendable {
    let name: String
    /// Small inputs made by code, where the fuzzer begins.
    let seeds: @Sendable () -> [[UInt8]]
    /// Takes one input; what goes wrong traps.
    let run: @Sendable (UnsafeRawBufferPointer) -> Void

    static let all: [Target] = wire + store + messages + texts
}

/// Takes numbers and pieces from the front of an input, so that one input can say several things.
struct Input {
    private(set) var rest: UnsafeRawBufferPointer.SubSequence

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// Up to `count` bytes.
    mutating func take(_ count: Int) -> [UInt8] {
        let piece = rest.prefix(count)
        rest = rest.dropFirst(piece.count)
        return Array(piece)
    }

    /// What is left, at an address of its own: a read beyond its end is found.
    @discardableResult func remaining<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: rest.count, alignment: 64)
        defer { copy.deallocate() }
        copy.copyBytes(from: rest)
        return try body(UnsafeRawBufferPointer(copy))
    }
}

/// The same, for inputs that begin with a number.
func bytes(_ first: UInt8, _ rest: [UInt8]) -> [UInt8] { [first] + rest }

/// Runs what may refuse an input: a refusal is an answer, a trap is a finding. True if it did not refuse.
@discardableResult func accepts(_ body: () throws -> Void) -> Bool {
    do {
        try body()
        return true
    } catch {
        return false
    }
}
