/// `org.apache.kafka.connect.storage.StringConverter`: the text of any value, in UTF-8.
package struct StringConverter: Converter {
    package init() {}

    package func bytes(_ value: SchemaAndValue, topic: String) throws(ConnectError) -> [UInt8]? {
        value.value.isNull ? nil : Array(JavaText.string(value.value).utf8)
    }

    package func value(_ bytes: [UInt8]?, topic: String) throws(ConnectError) -> SchemaAndValue {
        SchemaAndValue(.optionalString, bytes.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null)
    }
}

/// `org.apache.kafka.connect.converters.ByteArrayConverter`: bytes as they are.
package struct ByteArrayConverter: Converter {
    package init() {}

    package func bytes(_ value: SchemaAndValue, topic: String) throws(ConnectError) -> [UInt8]? {
        if let schema = value.schema, schema.kind != .bytes {
            throw .data("Invalid schema type for ByteArrayConverter: \(schema.kind.rawValue)")
        }
        switch value.value {
        case .null: return nil
        case .bytes(let bytes): return bytes
        default:
            throw .data("ByteArrayConverter is not compatible with objects of type class \(value.value.javaClass)")
        }
    }

    package func value(_ bytes: [UInt8]?, topic: String) throws(ConnectError) -> SchemaAndValue {
        SchemaAndValue(.optionalBytes, bytes.map { .bytes($0) } ?? .null)
    }
}

/// `ShortConverter`, `IntegerConverter`, `LongConverter`, `FloatConverter`, `DoubleConverter` (big-endian) and
/// `BooleanConverter` (one byte).
package struct NumberConverter: Converter {
    package enum Kind: String, Sendable, CaseIterable {
        case short, integer, long, float, double, boolean
    }

    package let kind: Kind

    package init(_ kind: Kind) { self.kind = kind }

    package func bytes(_ value: SchemaAndValue, topic: String) throws(ConnectError) -> [UInt8]? {
        let schema = schema
        if let given = value.schema, given.kind != schema.kind {
            guard kind != .boolean else {
                throw .data("Invalid schema type for BooleanConverter: \(given.kind.rawValue)")
            }
            throw .data("Failed to serialize to a number: \(given) is not \(schema.kind.rawValue)")
        }
        switch (kind, value.value) {
        case (_, .null): return nil
        case (.short, .int16(let number)): return Self.bigEndian(number)
        case (.integer, .int32(let number)): return Self.bigEndian(number)
        case (.long, .int64(let number)): return Self.bigEndian(number)
        case (.float, .float32(let number)): return Self.bigEndian(Int32(bitPattern: number.bitPattern))
        case (.double, .float64(let number)): return Self.bigEndian(Int64(bitPattern: number.bitPattern))
        case (.boolean, .boolean(let flag)): return [flag ? 1 : 0]
        default:
            throw .data("Failed to serialize to \(schema.kind.rawValue) (was \(value.value.javaClass)): ")
        }
    }

    package func value(_ bytes: [UInt8]?, topic: String) throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return SchemaAndValue(schema, .null) }
        let size =
            switch kind {
            case .short: 2
            case .integer, .float: 4
            case .long, .double: 8
            case .boolean: 1
            }
        guard bytes.count == size else {
            throw .data(
                "Failed to deserialize \(schema.kind.rawValue): Size of data received is not \(size) but \(bytes.count)"
            )
        }
        let bits = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let value: ConnectValue =
            switch kind {
            case .short: .int16(Int16(truncatingIfNeeded: bits))
            case .integer: .int32(Int32(truncatingIfNeeded: bits))
            case .long: .int64(Int64(bitPattern: bits))
            case .float: .float32(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
            case .double: .float64(Double(bitPattern: bits))
            case .boolean: .boolean(bits == 1)
            }
        if kind == .boolean, bits > 1 {
            throw .data("Failed to deserialize BOOLEAN: Unexpected byte received: \(bits)")
        }
        return SchemaAndValue(schema, value)
    }

    private var schema: ConnectSchema {
        switch kind {
        case .short: .optionalInt16
        case .integer: .optionalInt32
        case .long: .optionalInt64
        case .float: .optionalFloat32
        case .double: .optionalFloat64
        case .boolean: .optionalBoolean
        }
    }

    private static func bigEndian<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}

/// `org.apache.kafka.connect.storage.SimpleHeaderConverter`: texts; reading finds out what they are.
package struct SimpleHeaderConverter: HeaderConverter {
    package init() {}

    package func bytes(_ header: ConnectHeader, topic: String) throws(ConnectError) -> [UInt8]? {
        header.value.isNull ? nil : Array(ValueText.text(header.value).utf8)
    }

    package func header(_ name: String, _ bytes: [UInt8]?, topic: String) throws(ConnectError) -> ConnectHeader {
        guard let bytes else { return ConnectHeader(name, nil, .null) }
        if let integer = ValueText.integer(bytes) { return ConnectHeader(name, integer.schema, integer.value) }
        // What is no UTF-8 cannot be a text's; the original gives it on as text all the same.
        let parsed = ValueText.parse(String(decoding: bytes, as: UTF8.self))
        return ConnectHeader(name, parsed.schema, parsed.value)
    }
}
