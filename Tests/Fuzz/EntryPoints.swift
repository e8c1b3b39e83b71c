internal import Glibc

/// What libFuzzer's own main calls.
///
///     Fuzz TARGET [libFuzzer's flags and corpus directories]
///     Fuzz --list
///     Fuzz --seeds TARGET DIRECTORY
///
/// A target feeds bytes from outside into a decoder. Whatever they are, the process must not crash, hang, read out of
/// bounds or take memory without a bound; beyond that the targets check what the decoders promise.
enum EntryPoints {
    /// The target that this process fuzzes; written once, before the first input. One thread.
    nonisolated(unsafe) static var chosen = Target.all[0]

    static func writeSeeds(of target: Target, to directory: String) -> Int32 {
        for (number, seed) in target.seeds().enumerated() {
            let file = open("\(directory)/\(target.name)-\(number)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            guard file >= 0 else { return 74 }
            defer { close(file) }
            guard seed.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == seed.count else { return 74 }
        }
        return 0
    }
}

/// Takes the words that are not libFuzzer's.
@_cdecl("LLVMFuzzerInitialize") public func initializeFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
    let words = CommandLine.arguments.dropFirst()
    if words.first == "--list" {
        for target in Target.all { print(target.name) }
        exit(0)
    }
    let name = words.first == "--seeds" ? words.dropFirst().first : words.first
    guard let target = Target.all.first(where: { $0.name == name }) else {
        print("targets: \(Target.all.map(\.name).joined(separator: " "))")
        exit(64)
    }
    if words.first == "--seeds" { exit(EntryPoints.writeSeeds(of: target, to: words.last ?? ".")) }
    EntryPoints.chosen = target
    // The target's name goes, the program's stays.
    arguments.pointee[1] = arguments.pointee[0]
    arguments.pointee += 1
    count.pointee -= 1
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput") public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    EntryPoints.chosen.run(UnsafeRawBufferPointer(start: start, count: count))
    return 0
}
