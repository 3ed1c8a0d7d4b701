internal import Bytes
internal import JSONFormat
internal import SQLTypes

/// MySQL's stored form of JSON as text: what row images of JSON columns hold.
///
/// | type | value |
/// |-----:|-------|
/// | 0, 2 | object with offsets of 2 or 4 bytes |
/// | 1, 3 | array, the same |
/// | 4 | literal: 0 null, 1 true, 2 false |
/// | 5...11 | integers: 16, 32 and 64 bits, signed and unsigned in turn; 11 is a double |
/// | 12 | text behind its length |
/// | 15 | a value of an SQL type: the type, a length, the value |
enum JSONBinary {
    private static let depthMax = 100
    /// Bytes of text that one value may become: offsets may point to one value many times.
    private static let byteCountMax = 1 << 30

    /// - Throws: `.truncated`, `.corrupt`.
    static func text(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> String {
        // An empty value is what a server writes for NULL that became NOT NULL.
        guard let type = bytes.first else { return "null" }
        var output: [UInt8] = []
        try value(type, UnsafeRawBufferPointer(rebasing: bytes[1...]), 0, &output)
        return String(decoding: output, as: UTF8.self)
    }

    private static func value(
        _ type: UInt8, _ bytes: UnsafeRawBufferPointer, _ depth: Int, _ output: inout [UInt8]
    ) throws(WireError) {
        guard depth < depthMax else { throw .corrupt("JSON nested more than \(depthMax) levels deep") }
        guard output.count < byteCountMax else { throw .corrupt("JSON of more than \(byteCountMax) bytes") }
        var cursor = ByteCursor(bytes)
        switch type {
        case 0, 2: try container(bytes, isObject: true, width: type == 0 ? 2 : 4, depth, &output)
        case 1, 3: try container(bytes, isObject: false, width: type == 1 ? 2 : 4, depth, &output)
        case 4: try literal(try cursor.byte(), &output)
        case 5: output += String(Int16(truncatingIfNeeded: try cursor.integer(2))).utf8
        case 6: output += String(try cursor.integer(2)).utf8
        case 7: output += String(Int32(truncatingIfNeeded: try cursor.integer(4))).utf8
        case 8: output += String(try cursor.integer(4)).utf8
        case 9: output += String(Int64(bitPattern: try cursor.integer(8))).utf8
        case 10: output += String(try cursor.integer(8)).utf8
        case 11: DoubleText.append(Double(bitPattern: try cursor.integer(8)), to: &output)
        case 12:
            let length = try variableLength(&cursor)
            output += JSONValue.string(try cursor.string(length)).bytes
        case 15: try custom(&cursor, &output)
        default: throw .corrupt("a JSON value of the unknown type \(type)")
        }
    }

    private static func literal(_ byte: UInt8, _ output: inout [UInt8]) throws(WireError) {
        switch byte {
        case 0: output += "null".utf8
        case 1: output += "true".utf8
        case 2: output += "false".utf8
        default: throw .corrupt("an unknown JSON literal \(byte)")
        }
    }

    private static func container(
        _ bytes: UnsafeRawBufferPointer, isObject: Bool, width: Int, _ depth: Int, _ output: inout [UInt8]
    ) throws(WireError) {
        var cursor = ByteCursor(bytes)
        let count = try cursor.int(width)
        let byteCount = try cursor.int(width)
        guard byteCount <= bytes.count else { throw .truncated }
        let entryByteCount = 1 + width
        let keysByteCount = isObject ? count * (width + 2) : 0
        guard count >= 0, count <= byteCount, 2 * width + keysByteCount + count * entryByteCount <= byteCount else {
            throw .corrupt("a JSON container of \(count) members in \(byteCount) bytes")
        }
        output.append(UInt8(ascii: isObject ? "{" : "["))
        for index in 0..<count {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            if isObject {
                var key = ByteCursor(bytes, at: 2 * width + index * (width + 2))
                let offset = try key.int(width)
                let length = try key.int(2)
                guard offset <= byteCount else { throw .truncated }
                var name = ByteCursor(bytes, at: offset)
                output += JSONValue.string(try name.string(length)).bytes
                output.append(UInt8(ascii: ":"))
            }
            var entry = ByteCursor(bytes, at: 2 * width + keysByteCount + index * entryByteCount)
            let type = try entry.byte()
            // Small values stand in the entry itself.
            let isInline = type == 4 || type == 5 || type == 6 || (width == 4 && (type == 7 || type == 8))
            if isInline {
                try value(type, entry.rest, depth + 1, &output)
            } else {
                let offset = try entry.int(width)
                guard offset > 0, offset < byteCount else { throw .corrupt("a JSON value outside of its container") }
                try value(type, UnsafeRawBufferPointer(rebasing: bytes[offset..<byteCount]), depth + 1, &output)
            }
        }
        output.append(UInt8(ascii: isObject ? "}" : "]"))
    }

    private static func variableLength(_ cursor: inout ByteCursor) throws(WireError) -> Int {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            let byte = try cursor.byte()
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .corrupt("a JSON length of more than five bytes")
    }

    private static func custom(_ cursor: inout ByteCursor, _ output: inout [UInt8]) throws(WireError) {
        let type = try cursor.byte()
        let length = try variableLength(&cursor)
        var value = ByteCursor(try cursor.slice(length))
        switch type {
        case 246:
            let precision = Int(try value.byte())
            let scale = Int(try value.byte())
            output += try ColumnImage.decimal(precision: precision, scale: scale, &value).plainText.utf8
        case 10, 12, 7, 11:
            let packed = Int64(bitPattern: try value.integer(8))
            let magnitude = abs(packed == .min ? 0 : packed)
            let fraction = Int(magnitude & 0xFF_FFFF)
            let whole = magnitude >> 24
            let time = Int(whole & 0x1FFFF)
            let date = Int(whole >> 17)
            var text: [UInt8] = []
            if type != 11 {
                TemporalText.append((date >> 5) / 13, 4, to: &text)
                text.append(UInt8(ascii: "-"))
                TemporalText.append((date >> 5) % 13, 2, to: &text)
                text.append(UInt8(ascii: "-"))
                TemporalText.append(date & 31, 2, to: &text)
            } else if packed < 0 {
                text.append(UInt8(ascii: "-"))
            }
            if type != 10 {
                if type != 11 { text.append(UInt8(ascii: " ")) }
                let hours = type == 11 ? Int(whole >> 12) & 0x3FF : time >> 12
                let seconds = hours * 3600 + ((time >> 6) & 63) * 60 + (time & 63)
                TemporalText.appendTime(
                    Int64(seconds) * 1_000_000 + Int64(fraction), width: fraction > 0 ? 6 : nil, to: &text)
            }
            output += JSONValue.string(String(decoding: text, as: UTF8.self)).bytes
        default: output += JSONValue.string(Base64.encode(value.rest)).bytes
        }
    }
}
