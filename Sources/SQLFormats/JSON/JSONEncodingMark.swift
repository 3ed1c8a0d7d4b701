/// The encoding of a JSON text by its first bytes, as Jackson finds it: a byte order mark, or where the zeros of its first
/// character are.
///
/// | begins with                    | encoding                   |
/// |--------------------------------|----------------------------|
/// | `EF BB BF`                     | UTF-8 with a mark          |
/// | `00 00 FE FF`, `00 00 00 x`    | UTF-32, the high end first |
/// | `FF FE 00 00`, `x 00 00 00`    | UTF-32, the low end first  |
/// | `FE FF`, `00 x`                | UTF-16, the high end first |
/// | `FF FE`, `x 00`                | UTF-16, the low end first  |
///
/// `x` is not 0.
enum JSONEncodingMark {
    private enum Encoding { case utf16High, utf16Low, utf32High, utf32Low }

    /// Whether a text may be anything but UTF-8 without a mark: no such text begins with one of these bytes, or has a zero
    /// second.
    @inline(__always)
    static func isLikely(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count >= 2 else { return false }
        return text[0] >= 0xEF || text[0] == 0 || text[1] == 0
    }

    /// The text in UTF-8; nil when it is UTF-8 without a mark, or is not well formed in the encoding that it begins in, or
    /// no JSON text: what begins with zeros and is none may have a schema's id in front.
    static func utf8(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { return Array(text[3...]) }
        guard let (encoding, markByteCount) = encoding(of: text) else { return nil }
        let body = UnsafeRawBufferPointer(rebasing: text[markByteCount...])
        var output: [UInt8] = []
        output.reserveCapacity(body.count)
        let append = { (unit: UInt8) in output.append(unit) }
        let isBroken: Bool
        switch encoding {
        case .utf16High, .utf16Low:
            guard body.count.isMultiple(of: 2) else { return nil }
            let units = stride(from: 0, to: body.count, by: 2).map { at in
                let unit = body.loadUnaligned(fromByteOffset: at, as: UInt16.self)
                return encoding == .utf16High ? UInt16(bigEndian: unit) : UInt16(littleEndian: unit)
            }
            isBroken = transcode(
                units.makeIterator(), from: UTF16.self, to: UTF8.self, stoppingOnError: true, into: append)
        case .utf32High, .utf32Low:
            guard body.count.isMultiple(of: 4) else { return nil }
            let units = stride(from: 0, to: body.count, by: 4).map { at in
                let unit = body.loadUnaligned(fromByteOffset: at, as: UInt32.self)
                return encoding == .utf32High ? UInt32(bigEndian: unit) : UInt32(littleEndian: unit)
            }
            isBroken = transcode(
                units.makeIterator(), from: UTF32.self, to: UTF8.self, stoppingOnError: true, into: append)
        }
        guard !isBroken, output.first.map(begins) ?? true else { return nil }
        return output
    }

    /// Whether a JSON text may begin with a byte.
    private static func begins(with byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""), UInt8(ascii: "-"), UInt8(ascii: "t"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "0")...UInt8(ascii: "9"), 0x20, 0x09, 0x0A, 0x0D:
            true
        default: false
        }
    }

    private static func encoding(of text: UnsafeRawBufferPointer) -> (Encoding, markByteCount: Int)? {
        guard text.count >= 2 else { return nil }
        if text.count >= 4 {
            switch (text[0], text[1], text[2], text[3]) {
            case (0, 0, 0xFE, 0xFF): return (.utf32High, 4)
            case (0xFF, 0xFE, 0, 0): return (.utf32Low, 4)
            case (0, 0, 0, 1...): return (.utf32High, 0)
            case (1..., 0, 0, 0): return (.utf32Low, 0)
            default: break
            }
        }
        switch (text[0], text[1]) {
        case (0xFE, 0xFF): return (.utf16High, 2)
        case (0xFF, 0xFE): return (.utf16Low, 2)
        case (0, 1...): return (.utf16High, 0)
        case (1..., 0): return (.utf16Low, 0)
        default: return nil
        }
    }
}
