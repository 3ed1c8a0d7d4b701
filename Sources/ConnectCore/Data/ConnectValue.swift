package import SQLTypes

/// A value with or without a schema: what Java's Connect holds as an `Object`.
package enum ConnectValue: Sendable {
    case null
    case int8(Int8)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    case float32(Float)
    case float64(Double)
    case boolean(Bool)
    case string(String)
    case bytes([UInt8])
    /// A value of the logical type Decimal: Java's `BigDecimal`.
    /// In a box, so that the others need no more than a text does.
    indirect case decimal(SQLDecimal)
    /// A value of Date, Time or Timestamp: Java's `java.util.Date`, milliseconds since 1970.
    case instant(Int64)
    case array([ConnectValue])
    case map(ConnectMap)
    case structure(ConnectStruct)
}

extension ConnectValue: Hashable {
    package static func == (a: ConnectValue, b: ConnectValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.int8(let a), .int8(let b)): a == b
        case (.int16(let a), .int16(let b)): a == b
        case (.int32(let a), .int32(let b)): a == b
        case (.int64(let a), .int64(let b)): a == b
        // As Java's boxes compare: NaN is itself, and the two zeros differ.
        case (.float32(let a), .float32(let b)): a.isNaN ? b.isNaN : a.bitPattern == b.bitPattern
        case (.float64(let a), .float64(let b)): a.isNaN ? b.isNaN : a.bitPattern == b.bitPattern
        case (.boolean(let a), .boolean(let b)): a == b
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        case (.bytes(let a), .bytes(let b)): a == b
        case (.decimal(let a), .decimal(let b)): a.scale == b.scale && a.compare(to: b) == 0
        case (.instant(let a), .instant(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.map(let a), .map(let b)): a == b
        case (.structure(let a), .structure(let b)): a == b
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .int8(let value): hasher.combine(value)
        case .int16(let value): hasher.combine(value)
        case .int32(let value): hasher.combine(value)
        case .int64(let value), .instant(let value): hasher.combine(value)
        case .float32(let value): hasher.combine(value.isNaN ? Float.nan.bitPattern : value.bitPattern)
        case .float64(let value): hasher.combine(value.isNaN ? Double.nan.bitPattern : value.bitPattern)
        case .boolean(let value): hasher.combine(value)
        case .string(let text): for byte in text.utf8 { hasher.combine(byte) }
        case .bytes(let bytes): hasher.combine(bytes)
        case .decimal(let value): hasher.combine(value)
        case .array(let elements): hasher.combine(elements)
        case .map(let map): hasher.combine(map.count)
        case .structure(let value): hasher.combine(value.values)
        }
    }
}

extension ConnectValue {
    package var isNull: Bool { if case .null = self { true } else { false } }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
    package var bytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
    package var array: [ConnectValue]? { if case .array(let value) = self { value } else { nil } }
    package var map: ConnectMap? { if case .map(let value) = self { value } else { nil } }
    package var structure: ConnectStruct? { if case .structure(let value) = self { value } else { nil } }

    /// The value of an integer of any width.
    package var integer: Int64? {
        switch self {
        case .int8(let value): Int64(value)
        case .int16(let value): Int64(value)
        case .int32(let value): Int64(value)
        case .int64(let value): value
        default: nil
        }
    }

    /// The name of the Java class that the original has for it, `null` for none: it stands in messages.
    package var javaClass: String {
        switch self {
        case .null: "null"
        case .int8: "java.lang.Byte"
        case .int16: "java.lang.Short"
        case .int32: "java.lang.Integer"
        case .int64: "java.lang.Long"
        case .float32: "java.lang.Float"
        case .float64: "java.lang.Double"
        case .boolean: "java.lang.Boolean"
        case .string: "java.lang.String"
        case .bytes: "[B"
        case .decimal: "java.math.BigDecimal"
        case .instant: "java.util.Date"
        case .array: "java.util.ArrayList"
        case .map: "java.util.HashMap"
        case .structure: "org.apache.kafka.connect.data.Struct"
        }
    }

    /// The type that a value has where no schema says it: Java's `ConnectSchema.schemaType(Class)`. nil for null and for
    /// Java's dates, of which it has no primitive type.
    package var inferredKind: ConnectSchema.Kind? {
        switch self {
        case .null, .instant, .decimal: nil
        case .int8: .int8
        case .int16: .int16
        case .int32: .int32
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .boolean: .boolean
        case .string: .string
        case .bytes: .bytes
        case .array: .array
        case .map: .map
        case .structure: .structure
        }
    }
}

extension ConnectValue {
    /// Subtracts how many values there are here and beneath.
    ///
    /// - Returns: false when there are more than `left`, of which no more are looked at.
    func takeCount(from left: inout Int) -> Bool {
        left -= 1
        guard left >= 0 else { return false }
        switch self {
        case .array(let elements): for element in elements where !element.takeCount(from: &left) { return false }
        case .map(let map):
            for entry in map.entries {
                guard entry.key.takeCount(from: &left), entry.value.takeCount(from: &left) else { return false }
            }
        case .structure(let structure):
            for value in structure.values where !value.takeCount(from: &left) { return false }
        default: break
        }
        return true
    }
}

/// A map that keeps the order of its entries; each key once.
package struct ConnectMap: Sendable, Hashable {
    package struct Entry: Sendable, Hashable {
        package var key: ConnectValue
        package var value: ConnectValue
    }

    package private(set) var entries: [Entry] = []
    private var places: [ConnectValue: Int] = [:]

    package init() {}

    package init(_ entries: some Sequence<(ConnectValue, ConnectValue)>) {
        for (key, value) in entries { self[key] = value }
    }

    package init(_ entries: some Sequence<(String, ConnectValue)>) {
        for (key, value) in entries { self[.string(key)] = value }
    }

    package var count: Int { entries.count }

    /// nil where there is no such key; setting nil removes it.
    package subscript(key: ConnectValue) -> ConnectValue? {
        get { places[key].map { entries[$0].value } }
        set {
            switch (places[key], newValue) {
            case (let place?, let value?): entries[place].value = value
            case (nil, let value?):
                places[key] = entries.count
                entries.append(Entry(key: key, value: value))
            case (let place?, nil):
                entries.remove(at: place)
                places = Dictionary(entries.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
            case (nil, nil): break
            }
        }
    }

    package subscript(name: String) -> ConnectValue? {
        get { self[.string(name)] }
        set { self[.string(name)] = newValue }
    }

    /// In any order.
    package static func == (a: ConnectMap, b: ConnectMap) -> Bool {
        a.count == b.count && a.entries.allSatisfy { b[$0.key] == $0.value }
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(count) }

    /// The entries in the order in which Java's `HashMap` gives them out, which is what the original writes where a
    /// transform has copied a map or the JSON converter has read one. Only maps whose keys are all texts are reordered.
    ///
    /// - Parameter copied: the number of entries that the table was made for, `HashMap(map)`; nil for `HashMap()`.
    package func hashOrdered(copied: Int? = nil) -> ConnectMap {
        guard count > 1 else { return self }
        var size = 16
        if let copied {
            size = 1
            // `(float) n / 0.75 + 1`, rounded up to a power of two.
            while Double(size) < (Double(copied) / 0.75 + 1).rounded(.down) { size *= 2 }
        }
        while count > size / 4 * 3 + (size < 4 ? size * 3 / 4 : 0) { size *= 2 }
        var buckets: [(bucket: Int, place: Int)] = []
        buckets.reserveCapacity(count)
        for (place, entry) in entries.enumerated() {
            guard case .string(let key) = entry.key else { return self }
            let hash = key.utf16.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }
            buckets.append((Int((hash ^ hash >> 16) & UInt32(size - 1)), place))
        }
        // Entries that meet in one bucket stay in the order in which they came.
        buckets.sort { ($0.bucket, $0.place) < ($1.bucket, $1.place) }
        return ConnectMap(buckets.map { (entries[$0.place].key, entries[$0.place].value) })
    }
}

/// The values of a struct's fields, parallel to its schema's.
package struct ConnectStruct: Sendable, Hashable {
    package let schema: ConnectSchema
    package private(set) var values: [ConnectValue]

    /// All fields null.
    package init(_ schema: ConnectSchema) {
        self.schema = schema
        values = Array(repeating: .null, count: schema.fields.count)
    }

    /// - Parameter values: parallel to the schema's fields; missing ones are null.
    package init(_ schema: ConnectSchema, values: [ConnectValue]) {
        self.schema = schema
        let count = schema.fields.count
        if values.count == count {
            self.values = values
            return
        }
        self.values = Array(values.prefix(count))
        while self.values.count < count { self.values.append(.null) }
    }

    /// The value of a field as it was set, with its default where it is null.
    package subscript(index: Int) -> ConnectValue {
        get { values[index].isNull ? schema.fields[index].schema.defaultValue ?? .null : values[index] }
        set { values[index] = newValue }
    }

    /// A field's value or, when that is null and `replacesNull`, its default.
    ///
    /// - Throws: `.data` when there is no such field.
    package func value(_ name: String, replacesNull: Bool = true) throws(ConnectError) -> ConnectValue {
        guard let index = schema.index(of: name) else { throw .data("\(name) is not a valid field name") }
        return replacesNull ? self[index] : values[index]
    }

    /// A field's value or its default; nil when there is no such field.
    package subscript(name: String) -> ConnectValue? { schema.index(of: name).map { self[$0] } }

    /// Sets a field after checking the value.
    ///
    /// - Throws: `.data` in Connect's words.
    package mutating func put(_ name: String, _ value: ConnectValue) throws(ConnectError) {
        guard let index = schema.index(of: name) else { throw .data("\(name) is not a valid field name") }
        try put(index, value)
    }

    package mutating func put(_ index: Int, _ value: ConnectValue) throws(ConnectError) {
        try put(index, value, of: schema.fields[index])
    }

    /// - Parameter field: the one at `index`, from a caller who goes over all of them.
    mutating func put(
        _ index: Int, _ value: ConnectValue, of field: ConnectSchema.Field
    ) throws(ConnectError) {
        try field.schema.check(value, field: field.name)
        values[index] = value
    }

    /// Whether required fields without a default are all set.
    package func validate() throws(ConnectError) {
        for (index, field) in schema.fields.enumerated() {
            let value = values[index]
            if value.isNull, field.schema.isOptional || field.schema.defaultValue != nil { continue }
            try field.schema.check(value, field: field.name)
        }
    }

    package static func == (a: ConnectStruct, b: ConnectStruct) -> Bool { a.schema == b.schema && a.values == b.values }

    package func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

extension ConnectValue {
    /// Bytes of the texts and bytes in it, at whatever depth.
    package var contentByteCount: Int {
        switch self {
        case .string(let text): text.utf8.count
        case .bytes(let bytes): bytes.count
        case .array(let elements): elements.reduce(0) { $0 + $1.contentByteCount }
        case .map(let map): map.entries.reduce(0) { $0 + $1.key.contentByteCount + $1.value.contentByteCount }
        case .structure(let structure): structure.values.reduce(0) { $0 + $1.contentByteCount }
        default: 0
        }
    }
}
