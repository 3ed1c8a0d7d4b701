internal import Bytes
internal import SQLTypes

/// How row images store columns, by the types that table maps give.
enum ColumnImage {
    /// Reads a column's metadata out of a table map.
    static func metadata(_ type: UInt8, _ cursor: inout ByteCursor) throws(WireError) -> UInt16 {
        switch type {
        // Floats, blobs, JSON, geometry, vectors: bytes of the value or of its length; fraction digits.
        case 4, 5, 249...252, 255, 245, 242, 17, 18, 19, 140: return UInt16(try cursor.byte())
        // Lengths of texts and bits, least significant byte first.
        case 15, 16, 253, 141: return UInt16(truncatingIfNeeded: try cursor.integer(2))
        // Precision and scale; type and length.
        case 246, 254, 247, 248: return UInt16(truncatingIfNeeded: try cursor.bigEndian(2))
        default: return 0
        }
    }

    /// Reads one value that is not NULL.
    static func cell(_ type: UInt8, _ metadata: UInt16, _ cursor: inout ByteCursor) throws(WireError) -> Cell {
        switch type {
        case 1: return .integer(Int64(Int8(bitPattern: try cursor.byte())))
        case 2: return .integer(Int64(Int16(truncatingIfNeeded: try cursor.integer(2))))
        case 9: return .integer(Int64(Int32(truncatingIfNeeded: try cursor.integer(3) << 8) >> 8))
        case 3: return .integer(Int64(Int32(truncatingIfNeeded: try cursor.integer(4))))
        case 8: return .integer(Int64(bitPattern: try cursor.integer(8)))
        case 4: return .float(Float(bitPattern: UInt32(truncatingIfNeeded: try cursor.integer(4))))
        case 5: return .double(Double(bitPattern: try cursor.integer(8)))
        case 246: return .decimal(try decimal(precision: Int(metadata >> 8), scale: Int(metadata & 0xFF), &cursor))
        case 13:
            let year = Int64(try cursor.byte())
            return .integer(year == 0 ? 0 : year + 1900)
        case 10, 14:
            let packed = Int(try cursor.integer(3))
            return .date(year: packed >> 9, month: (packed >> 5) & 15, day: packed & 31)
        case 11:
            let packed = Int64(Int32(truncatingIfNeeded: try cursor.integer(3) << 8) >> 8)
            let magnitude = abs(packed)
            let seconds = magnitude / 10_000 * 3600 + magnitude / 100 % 100 * 60 + magnitude % 100
            return .time((packed < 0 ? -seconds : seconds) * 1_000_000)
        case 12: return oldDateTime(try cursor.integer(8))
        case 7:
            let seconds = Int64(try cursor.integer(4))
            return seconds == 0 ? .zeroTimestamp : .timestamp(seconds: seconds, microseconds: 0)
        case 19: return try time(fractionDigits: Int(metadata), &cursor)
        case 18: return try dateTime(fractionDigits: Int(metadata), &cursor)
        case 17:
            let seconds = Int64(try cursor.bigEndian(4))
            let fraction = try microseconds(Int(metadata), &cursor)
            return seconds == 0 && fraction == 0
                ? .zeroTimestamp : .timestamp(seconds: seconds, microseconds: fraction)
        case 15, 253: return .bytes(try cursor.slice(try cursor.int(metadata > 255 ? 2 : 1)))
        case 141: return .compressed(try cursor.slice(try cursor.int(metadata > 255 ? 2 : 1)))
        case 254: return try string(metadata, &cursor)
        case 247: return .integer(Int64(try cursor.int(metadata & 0xFF == 2 ? 2 : 1)))
        case 248: return .integer(Int64(bitPattern: try cursor.integer(min(8, max(1, Int(metadata & 0xFF))))))
        case 16:
            let bitCount = Int(metadata >> 8) * 8 + Int(metadata & 0xFF)
            return .bytes(try cursor.slice((bitCount + 7) / 8))
        case 245: return .json(try cursor.slice(try cursor.int(min(4, max(1, Int(metadata))))))
        case 140: return .compressed(try cursor.slice(try cursor.int(min(4, max(1, Int(metadata))))))
        case 249...252, 255, 242:
            return .bytes(try cursor.slice(try cursor.int(min(4, max(1, Int(metadata))))))
        case 6: return .null
        default: throw .unsupported("a column of the type number \(type)")
        }
    }

    /// CHAR, ENUM and SET share a type number; the metadata tells them apart.
    private static func string(_ metadata: UInt16, _ cursor: inout ByteCursor) throws(WireError) -> Cell {
        let high = UInt8(metadata >> 8)
        let low = Int(metadata & 0xFF)
        switch high {
        case 247: return .integer(Int64(try cursor.int(low == 2 ? 2 : 1)))
        case 248: return .integer(Int64(bitPattern: try cursor.integer(min(8, max(1, low)))))
        default:
            // Lengths above 255 hide two bits in the type.
            let byteCountMax = high & 0x30 == 0x30 ? low : low | Int((high & 0x30) ^ 0x30) << 4
            return .bytes(try cursor.slice(try cursor.int(byteCountMax > 255 ? 2 : 1)))
        }
    }

    private static func oldDateTime(_ packed: UInt64) -> Cell {
        let date = Int(packed / 1_000_000 % 100_000_000)
        let time = Int64(packed % 1_000_000)
        return .dateTime(
            year: date / 10_000, month: date / 100 % 100, day: date % 100,
            microsecondsOfDay: (time / 10_000 * 3600 + time / 100 % 100 * 60 + time % 100) * 1_000_000)
    }

    private static let powers: [Int] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]

    /// Two digits of a fraction per byte, most significant first.
    private static func microseconds(_ digits: Int, _ cursor: inout ByteCursor) throws(WireError) -> Int {
        guard digits > 0 else { return 0 }
        let byteCount = min(3, (digits + 1) / 2)
        return Int(try cursor.bigEndian(byteCount)) * powers[6 - byteCount * 2]
    }

    private static func dateTime(fractionDigits: Int, _ cursor: inout ByteCursor) throws(WireError) -> Cell {
        let packed = Int64(try cursor.bigEndian(5)) - 0x80_0000_0000
        let fraction = try microseconds(fractionDigits, &cursor)
        let magnitude = abs(packed)
        let date = Int(magnitude >> 17)
        let time = magnitude & 0x1FFFF
        return .dateTime(
            year: (date >> 5) / 13, month: (date >> 5) % 13, day: date & 31,
            microsecondsOfDay: ((time >> 12) * 3600 + ((time >> 6) & 63) * 60 + (time & 63)) * 1_000_000
                + Int64(fraction))
    }

    /// Hours, minutes, seconds and fraction as one number with its sign as an offset, so that they sort as bytes.
    private static func time(fractionDigits: Int, _ cursor: inout ByteCursor) throws(WireError) -> Cell {
        let fractionByteCount = min(3, (max(0, fractionDigits) + 1) / 2)
        let whole = Int64(try cursor.bigEndian(3 + fractionByteCount))
        let value = whole - Int64(0x80_0000) << Int64(8 * fractionByteCount)
        let magnitude = abs(value)
        let clock = magnitude >> Int64(8 * fractionByteCount)
        let fraction =
            (magnitude & (Int64(1) << Int64(8 * fractionByteCount) - 1)) * Int64(powers[6 - fractionByteCount * 2])
        let microseconds =
            (((clock >> 12) & 0x3FF) * 3600 + ((clock >> 6) & 63) * 60 + (clock & 63)) * 1_000_000 + fraction
        return .time(value < 0 ? -microseconds : microseconds)
    }

    private static let digitBytes = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]

    /// Groups of nine digits in four bytes, most significant first; the first bit is turned round, and all of them for
    /// negative values.
    static func decimal(precision: Int, scale: Int, _ cursor: inout ByteCursor) throws(WireError) -> SQLDecimal {
        guard scale <= precision, precision <= 81 else { throw .corrupt("a decimal of \(precision) digits") }
        let whole = precision - scale
        let wholeHead = whole % 9
        let fractionTail = scale % 9
        let byteCount = whole / 9 * 4 + digitBytes[wholeHead] + scale / 9 * 4 + digitBytes[fractionTail]
        let bytes = try cursor.slice(byteCount)
        guard byteCount > 0 else { return .zero }
        let isNegative = bytes[0] & 0x80 == 0
        var at = 0
        func group(_ count: Int) -> Int64 {
            var value: UInt32 = 0
            for _ in 0..<count {
                var byte = bytes[at]
                if at == 0 { byte ^= 0x80 }
                if isNegative { byte = ~byte }
                value = value << 8 | UInt32(byte)
                at += 1
            }
            return Int64(value)
        }
        // Up to 18 digits fit an integer; longer ones go by their text.
        if precision <= 18 {
            var value = group(digitBytes[wholeHead])
            for _ in 0..<(whole / 9) { value = value &* 1_000_000_000 &+ group(4) }
            for _ in 0..<(scale / 9) { value = value &* 1_000_000_000 &+ group(4) }
            if fractionTail > 0 {
                var power: Int64 = 1
                for _ in 0..<fractionTail { power *= 10 }
                value = value &* power &+ group(digitBytes[fractionTail])
            }
            return SQLDecimal(unscaled: isNegative ? -value : value, scale: scale)
        }
        var text: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        func append(_ value: Int64, _ digits: Int) {
            let shown = Array(String(value).utf8)
            for _ in 0..<max(0, digits - shown.count) { text.append(UInt8(ascii: "0")) }
            text += shown
        }
        append(group(digitBytes[wholeHead]), max(1, wholeHead))
        for _ in 0..<(whole / 9) { append(group(4), 9) }
        if scale > 0 { text.append(UInt8(ascii: ".")) }
        for _ in 0..<(scale / 9) { append(group(4), 9) }
        if fractionTail > 0 { append(group(digitBytes[fractionTail]), fractionTail) }
        guard let value = SQLDecimal(utf8: text) else { throw .corrupt("a decimal whose digits are none") }
        return value
    }
}
