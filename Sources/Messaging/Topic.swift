/// A topic's bytes at an address that stays: made once per stream, so that publishing builds no text.
public final class Topic: Sendable, CustomStringConvertible {
    // Written once, before anybody else sees it; freed with the object.
    nonisolated(unsafe) let start: UnsafeMutableRawPointer
    let count: Int

    public init(_ text: String) {
        let utf8 = Array(text.utf8)
        count = utf8.count
        start = .allocate(byteCount: max(1, utf8.count), alignment: 1)
        utf8.withUnsafeBytes { start.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(start), byteCount: $0.count) }
    }

    deinit { start.deallocate() }

    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

/// A received topic: its first 64 bytes, inline.
public struct ReceivedTopic: Sendable, CustomStringConvertible {
    /// Topics longer than this are kept as their first 64 bytes; the system's own are shorter.
    public static let capacity = 64

    var storage: [64 of UInt8] = .init(repeating: 0)
    public internal(set) var count = 0

    /// True when the topic begins with these characters, such as `tick.`.
    public func hasPrefix(_ prefix: StaticString) -> Bool {
        let length = prefix.utf8CodeUnitCount
        guard length <= count else { return false }
        for index in 0..<length where storage[index] != prefix.utf8Start[index] { return false }
        return true
    }

    public static func == (a: ReceivedTopic, b: StaticString) -> Bool {
        a.count == b.utf8CodeUnitCount && a.hasPrefix(b)
    }

    public var description: String {
        String(decoding: (0..<min(count, ReceivedTopic.capacity)).map { storage[$0] }, as: UTF8.self)
    }
}
