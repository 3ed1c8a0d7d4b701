import SQLTypes

/// Bytes of values in state: what is not of a fixed size describes itself, so that reading needs no type.
///
/// | tag | value                                                       |
/// |----:|-------------------------------------------------------------|
/// |   0 | null                                                        |
/// | 1 2 | false, true                                                 |
/// | 3-8 | INT, TIME, DATE (4 bytes), BIGINT, TIMESTAMP, DOUBLE (8)    |
/// | 9 10| STRING, BYTES: length, bytes                                |
/// |  11 | DECIMAL: scale, length, unscaled value big-endian           |
/// | 12 14| ARRAY, STRUCT: count, values                               |
/// |  13 | MAP: count, keys and values in turn                         |
///
/// Lengths, counts and scales are LEB128. Little-endian where nothing else is said.
enum ValueCodec {
    static func append(_ value: SQLValue, to bytes: inout [UInt8]) {
        switch value {
        case .null: bytes.append(0)
        case .boolean(let value): bytes.append(value ? 2 : 1)
        case .int(let value): tagged(3, value, &bytes)
        case .time(let value): tagged(4, value, &bytes)
        case .date(let value): tagged(5, value, &bytes)
        case .bigint(let value): tagged(6, value, &bytes)
        case .timestamp(let value): tagged(7, value, &bytes)
        case .double(let value): tagged(8, value.bitPattern, &bytes)
        case .string(var value):
            bytes.append(9)
            value.withUTF8 {
                length($0.count, &bytes)
                bytes.append(contentsOf: $0)
            }
        case .bytes(let value):
            bytes.append(10)
            length(value.count, &bytes)
            bytes.append(contentsOf: value)
        case .decimal(let value):
            bytes.append(11)
            // A scale may be negative.
            length(Int(bitPattern: UInt(bitPattern: (value.scale << 1) ^ (value.scale >> 63))), &bytes)
            let unscaled = value.bigEndian
            length(unscaled.count, &bytes)
            bytes.append(contentsOf: unscaled)
        case .array(let values):
            bytes.append(12)
            length(values.count, &bytes)
            for value in values { append(value, to: &bytes) }
        case .map(let map):
            bytes.append(13)
            length(map.count, &bytes)
            for (key, value) in map.entries {
                append(key, to: &bytes)
                append(value, to: &bytes)
            }
        case .structure(let values):
            bytes.append(14)
            length(values.count, &bytes)
            for value in values { append(value, to: &bytes) }
        }
    }

    /// Reads a value that `append` wrote, and moves `at` behind it.
    static func read(_ bytes: UnsafeRawBufferPointer, at: inout Int) -> SQLValue {
        let tag = bytes[at]
        at += 1
        switch tag {
        case 1: return .boolean(false)
        case 2: return .boolean(true)
        case 3: return .int(fixed(bytes, &at))
        case 4: return .time(fixed(bytes, &at))
        case 5: return .date(fixed(bytes, &at))
        case 6: return .bigint(fixed(bytes, &at))
        case 7: return .timestamp(fixed(bytes, &at))
        case 8: return .double(Double(bitPattern: fixed(bytes, &at)))
        case 9: return .string(String(decoding: run(bytes, &at), as: UTF8.self))
        case 10: return .bytes([UInt8](run(bytes, &at)))
        case 11:
            let zigzag = UInt(bitPattern: readLength(bytes, &at))
            let scale = Int(zigzag >> 1) ^ -Int(zigzag & 1)
            return .decimal(SQLDecimal(bigEndian: [UInt8](run(bytes, &at)), scale: scale))
        case 12: return .array(list(bytes, &at))
        case 13:
            let count = readLength(bytes, &at)
            var keys: [SQLValue] = []
            var values: [SQLValue] = []
            for _ in 0..<count {
                keys.append(read(bytes, at: &at))
                values.append(read(bytes, at: &at))
            }
            return .map(SQLMap(keys: keys, values: values))
        case 14: return .structure(list(bytes, &at))
        default: return .null
        }
    }

    /// Containers in containers; no type of the language nests deeper.
    private static let depthMax = 100

    /// Moves `at` behind a value of bytes that may be anything.
    ///
    /// - Returns: false for bytes that `append` does not write; `at` is anywhere then.
    static func skip(_ bytes: UnsafeRawBufferPointer, _ at: inout Int, depth: Int = 0) -> Bool {
        guard at < bytes.count, depth < depthMax else { return false }
        let tag = bytes[at]
        at += 1
        switch tag {
        case 0, 1, 2: return true
        case 3, 4, 5: return skip(4, bytes, &at)
        case 6, 7, 8: return skip(8, bytes, &at)
        case 9, 10: return skipRun(bytes, &at)
        case 11:
            // The scale is a zigzag number of any size that decimals have.
            guard let scale = checkedLength(bytes, &at), scale <= 1 << 33 else { return false }
            return skipRun(bytes, &at)
        case 12, 13, 14:
            guard let count = checkedLength(bytes, &at) else { return false }
            let (values, overflow) = count.multipliedReportingOverflow(by: tag == 13 ? 2 : 1)
            // A value has a byte at least.
            guard !overflow, values <= bytes.count - at else { return false }
            for _ in 0..<values where !skip(bytes, &at, depth: depth + 1) { return false }
            return true
        default: return false
        }
    }

    /// Moves `at` behind bytes of a fixed number.
    static func skip(_ count: Int, _ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        guard count <= bytes.count - at else { return false }
        at += count
        return true
    }

    /// Moves `at` behind a length and as many bytes.
    static func skipRun(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        guard let count = checkedLength(bytes, &at) else { return false }
        return skip(count, bytes, &at)
    }

    /// A length of bytes that may be anything; nil when there is none.
    private static func checkedLength(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Int? {
        var value: UInt = 0
        var shift: UInt = 0
        while at < bytes.count, shift < 63 {
            let byte = bytes[at]
            at += 1
            value |= UInt(byte & 0x7F) << shift
            if byte < 0x80 { return Int(value) }
            shift += 7
        }
        return nil
    }

    private static func list(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> [SQLValue] {
        let count = readLength(bytes, &at)
        var values: [SQLValue] = []
        // A value has a byte at least.
        values.reserveCapacity(max(0, min(count, bytes.count - at)))
        for _ in 0..<count { values.append(read(bytes, at: &at)) }
        return values
    }

    @inline(__always)
    private static func tagged(_ tag: UInt8, _ value: some FixedWidthInteger, _ bytes: inout [UInt8]) {
        bytes.append(tag)
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    @inline(__always)
    static func length(_ value: Int, _ bytes: inout [UInt8]) {
        var left = UInt(bitPattern: value)
        while left >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: left))
    }

    @inline(__always)
    static func readLength(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Int {
        var value: UInt = 0
        var shift: UInt = 0
        while true {
            let byte = bytes[at]
            at += 1
            value |= UInt(byte & 0x7F) << shift
            if byte < 0x80 { return Int(bitPattern: value) }
            shift += 7
        }
    }

    @inline(__always)
    static func fixed<Element: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Element {
        precondition(at + MemoryLayout<Element>.size <= bytes.count)
        defer { at += MemoryLayout<Element>.size }
        return bytes.loadUnaligned(fromByteOffset: at, as: Element.self)
    }

    @inline(__always)
    static func run(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> UnsafeRawBufferPointer {
        let count = readLength(bytes, &at)
        precondition(count >= 0 && count <= bytes.count - at)
        defer { at += count }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])
    }
}
