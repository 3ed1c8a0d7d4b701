import Bytes

/// Thrift's compact protocol, as far as Parquet's structures need it.
///
/// | what | bytes |
/// |---|---|
/// | field | difference to the last field's number, 4 bits, and type, 4 bits; the value follows |
/// | integer | zig-zag varint |
/// | text | byte count, varint; the bytes |
/// | list | count and type of elements in one byte, or 15 and the count as a varint behind it |
/// | end of a structure | 0 |
///
/// - SeeAlso: Apache Thrift, "Thrift Compact protocol encoding".
struct ThriftCompact {
    enum Kind: UInt8 { case isTrue = 1, isFalse, int8, int16, int32, int64, double, binary, list, set, map, structure }

    private(set) var bytes: [UInt8] = []
    private var last: [Int16] = [0]

    private mutating func field(_ id: Int16, _ kind: Kind) {
        let delta = id - last[last.count - 1]
        if 1...15 ~= delta {
            bytes.append(UInt8(delta) << 4 | kind.rawValue)
        } else {
            bytes.append(kind.rawValue)
            Varint.append(Int64(id), to: &bytes)
        }
        last[last.count - 1] = id
    }

    mutating func int32(_ id: Int16, _ value: Int32) {
        field(id, .int32)
        Varint.append(Int64(value), to: &bytes)
    }

    mutating func int64(_ id: Int16, _ value: Int64) {
        field(id, .int64)
        Varint.append(value, to: &bytes)
    }

    mutating func int16(_ id: Int16, _ value: Int16) {
        field(id, .int16)
        Varint.append(Int64(value), to: &bytes)
    }

    mutating func int8(_ id: Int16, _ value: Int8) {
        field(id, .int8)
        bytes.append(UInt8(bitPattern: value))
    }

    mutating func bool(_ id: Int16, _ value: Bool) { field(id, value ? .isTrue : .isFalse) }

    mutating func text(_ id: Int16, _ value: String) { binary(id, Array(value.utf8)) }

    mutating func binary(_ id: Int16, _ value: [UInt8]) {
        field(id, .binary)
        append(value)
    }

    private mutating func append(_ value: [UInt8]) {
        Varint.append(unsigned: UInt64(value.count), to: &bytes)
        bytes += value
    }

    mutating func structure(_ id: Int16, _ body: (inout Self) -> Void = { _ in }) {
        field(id, .structure)
        nested(body)
    }

    private mutating func nested(_ body: (inout Self) -> Void) {
        last.append(0)
        body(&self)
        end()
        last.removeLast()
    }

    private mutating func list(_ id: Int16, _ count: Int, _ kind: Kind) {
        field(id, .list)
        if count < 15 {
            bytes.append(UInt8(count) << 4 | kind.rawValue)
        } else {
            bytes.append(0xF0 | kind.rawValue)
            Varint.append(unsigned: UInt64(count), to: &bytes)
        }
    }

    mutating func structures<Elements: Collection>(
        _ id: Int16, _ elements: Elements, _ body: (inout Self, Elements.Element) -> Void
    ) {
        list(id, elements.count, .structure)
        for element in elements { nested { body(&$0, element) } }
    }

    mutating func texts(_ id: Int16, _ values: [String]) {
        list(id, values.count, .binary)
        for value in values { append(Array(value.utf8)) }
    }

    mutating func int32s(_ id: Int16, _ values: [Int32]) {
        list(id, values.count, .int32)
        for value in values { Varint.append(Int64(value), to: &bytes) }
    }

    /// Ends the outermost structure.
    mutating func end() { bytes.append(0) }
}
