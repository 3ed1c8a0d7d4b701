/// A value of any SQL type. Which type it is the plan knows; a value knows only how it is stored.
package enum SQLValue: Sendable {
    case null
    case boolean(Bool)
    case int(Int32)
    case bigint(Int64)
    case double(Double)
    case decimal(SQLDecimal)
    case string(String)
    case bytes([UInt8])
    /// Milliseconds of the day.
    case time(Int32)
    /// Days since 1970-01-01.
    case date(Int32)
    /// Milliseconds since 1970-01-01 00:00 UTC.
    case timestamp(Int64)
    case array([SQLValue])
    case map(SQLMap)
    /// The values of the fields, in the order of the type's fields.
    case structure([SQLValue])

    package var isNull: Bool {
        if case .null = self { true } else { false }
    }
}

extension SQLValue {
    package var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
    package var int: Int32? { if case .int(let value) = self { value } else { nil } }
    package var bigint: Int64? { if case .bigint(let value) = self { value } else { nil } }
    package var double: Double? { if case .double(let value) = self { value } else { nil } }
    package var decimal: SQLDecimal? { if case .decimal(let value) = self { value } else { nil } }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
    package var time: Int32? { if case .time(let value) = self { value } else { nil } }
    package var date: Int32? { if case .date(let value) = self { value } else { nil } }
    package var timestamp: Int64? { if case .timestamp(let value) = self { value } else { nil } }
    package var array: [SQLValue]? { if case .array(let value) = self { value } else { nil } }
    package var map: SQLMap? { if case .map(let value) = self { value } else { nil } }
    package var structure: [SQLValue]? { if case .structure(let value) = self { value } else { nil } }
}

/// Java's `equals` and a `hashValue` to go with it: 1.0 and 1.00 differ, NaN equals itself, 0.0 and -0.0 differ.
extension SQLValue: Hashable {
    package static func == (a: SQLValue, b: SQLValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.boolean(let a), .boolean(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.bigint(let a), .bigint(let b)): a == b
        case (.double(let a), .double(let b)): a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN)
        case (.decimal(let a), .decimal(let b)): a == b
        case (.string(let a), .string(let b)): a.isSame(as: b)
        case (.bytes(let a), .bytes(let b)): a == b
        case (.time(let a), .time(let b)): a == b
        case (.date(let a), .date(let b)): a == b
        case (.timestamp(let a), .timestamp(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.map(let a), .map(let b)): a == b
        case (.structure(let a), .structure(let b)): a == b
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .boolean(let value): hasher.combine(value)
        case .int(let value): hasher.combine(value)
        case .bigint(let value): hasher.combine(value)
        case .double(let value): hasher.combine(value.isNaN ? Double.nan.bitPattern : value.bitPattern)
        case .decimal(let value): hasher.combine(value)
        case .string(let value): for byte in value.utf8 { hasher.combine(byte) }
        case .bytes(let value): hasher.combine(value)
        case .time(let value): hasher.combine(value)
        case .date(let value): hasher.combine(value)
        case .timestamp(let value): hasher.combine(value)
        case .array(let values), .structure(let values): hasher.combine(values)
        case .map(let map): hasher.combine(map.count)  // order does not count, so neither may it here
        }
    }
}

extension String {
    /// Whether both are the same code points. `==` would also call texts equal that only look alike (é written in two
    /// ways), which Java does not.
    @inlinable
    package func isSame(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
