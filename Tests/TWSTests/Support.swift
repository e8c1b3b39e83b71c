import TWS
import Testing
import Ticks

/// Bytes of a text body written with `|` for NUL, as the protocol notes write recorded messages.
func body(_ text: String) -> [UInt8] { text.utf8.map { $0 == 0x7C ? 0 : $0 } }

/// Bytes from hexadecimal text; blanks and `|` are decoration.
func hex(_ text: String) -> [UInt8] {
    let digits = text.utf8.filter { $0 != 0x20 && $0 != 0x7C && $0 != 0x0A }
    return stride(from: 0, to: digits.count, by: 2).map { at in
        UInt8(String(decoding: digits[at..<(at + 2)], as: UTF8.self), radix: 16)!
    }
}

/// A body with its length in front.
func frame(_ body: [UInt8]) -> [UInt8] {
    let length = UInt32(body.count)
    return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + body
}

func decodeServer(_ bytes: [UInt8], _ serverVersion: Int = 187) throws -> ServerMessage {
    try bytes.withUnsafeBytes { raw throws(DecodeError) in
        try ServerMessage(decoding: raw, serverVersion: serverVersion)
    }
}

func decodeClient(_ bytes: [UInt8], _ serverVersion: Int = 187) throws -> ClientRequest {
    try bytes.withUnsafeBytes { raw throws(DecodeError) in
        try ClientRequest(decoding: raw, serverVersion: serverVersion)
    }
}

func encoded(_ message: ServerMessage, _ serverVersion: Int = 187) -> [UInt8] {
    var out: [UInt8] = []
    message.encode(to: &out, serverVersion: serverVersion)
    return out
}

func encoded(_ request: ClientRequest, _ serverVersion: Int = 187) -> [UInt8] {
    var out: [UInt8] = []
    request.encode(to: &out, serverVersion: serverVersion)
    return out
}

/// Puts `bytes` into `reader` in pieces of at most `piece` bytes and returns copies of all bodies.
func bodies(of bytes: [UInt8], piece: Int, reader: inout FrameReader) throws -> [[UInt8]] {
    var found: [[UInt8]] = []
    var at = 0
    while at < bytes.count {
        reader.withFreeSpace { free in
            let count = min(piece, bytes.count - at, free.count)
            free.copyBytes(from: bytes[at..<(at + count)])
            at += count
            return count
        }
        while let body = try reader.next() { found.append(Array(body)) }
    }
    return found
}
