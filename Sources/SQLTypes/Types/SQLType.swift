/// The type of a column or an expression.
package indirect enum SQLType: Hashable, Sendable {
    case boolean
    /// 32-bit signed.
    case int
    /// 64-bit signed.
    case bigint
    case double
    /// Exact; `precision` digits in all, `scale` of them behind the point.
    case decimal(precision: Int, scale: Int)
    case string
    case bytes
    /// Milliseconds of a day.
    case time
    /// Days since 1970-01-01.
    case date
    /// Milliseconds since 1970-01-01 00:00 UTC.
    case timestamp
    case array(SQLType)
    case map(key: SQLType, value: SQLType)
    case structure([SQLField])

    /// How an INT counts among decimals.
    package static let intAsDecimal = SQLType.decimal(precision: 10, scale: 0)
    /// How a BIGINT counts among decimals.
    package static let bigintAsDecimal = SQLType.decimal(precision: 19, scale: 0)

    /// - Throws: `.unsupported` in ksqlDB's words when there is no such DECIMAL.
    package static func checkedDecimal(precision: Int, scale: Int) throws(SQLTypesError) -> SQLType {
        guard precision >= 1 else {
            throw SQLTypesError(.unsupported, "DECIMAL precision must be >= 1: DECIMAL(\(precision),\(scale))")
        }
        guard scale >= 0 else {
            throw SQLTypesError(.unsupported, "DECIMAL scale must be >= 0: DECIMAL(\(precision),\(scale))")
        }
        guard precision >= scale else {
            throw SQLTypesError(
                .unsupported, "DECIMAL precision must be >= scale: DECIMAL(\(precision),\(scale))")
        }
        // The original has no such bound; a value of that many digits takes milliseconds to compute with.
        guard precision <= SQLDecimal.digitsMax else {
            throw SQLTypesError(
                .unsupported, "DECIMAL precision must be <= \(SQLDecimal.digitsMax): DECIMAL(\(precision),\(scale))")
        }
        return .decimal(precision: precision, scale: scale)
    }
}

/// One field of a struct.
package struct SQLField: Hashable, Sendable {
    package var name: String
    package var type: SQLType

    package init(_ name: String, _ type: SQLType) {
        self.name = name
        self.type = type
    }
}

extension SQLType {
    /// The kind of a type without what it holds, as error texts name it.
    package enum Base: String, Sendable, CaseIterable {
        case boolean = "BOOLEAN"
        case int = "INTEGER"
        case bigint = "BIGINT"
        case decimal = "DECIMAL"
        case double = "DOUBLE"
        case string = "STRING"
        case array = "ARRAY"
        case map = "MAP"
        case structure = "STRUCT"
        case time = "TIME"
        case date = "DATE"
        case timestamp = "TIMESTAMP"
        case bytes = "BYTES"
    }

    package var base: Base {
        switch self {
        case .boolean: .boolean
        case .int: .int
        case .bigint: .bigint
        case .double: .double
        case .decimal: .decimal
        case .string: .string
        case .bytes: .bytes
        case .time: .time
        case .date: .date
        case .timestamp: .timestamp
        case .array: .array
        case .map: .map
        case .structure: .structure
        }
    }

    package var isNumber: Bool {
        switch self {
        case .int, .bigint, .double, .decimal: true
        default: false
        }
    }

    /// TIME, DATE or TIMESTAMP.
    package var isTime: Bool {
        switch self {
        case .time, .date, .timestamp: true
        default: false
        }
    }

    /// Neither ARRAY, MAP nor STRUCT.
    package var isPrimitive: Bool {
        switch self {
        case .array, .map, .structure: false
        default: true
        }
    }

    /// Whether a MAP occurs anywhere in it: such types cannot be keys.
    package var containsMap: Bool {
        switch self {
        case .map: true
        case .array(let element): element.containsMap
        case .structure(let fields): fields.contains { $0.type.containsMap }
        default: false
        }
    }

    /// The fields of a STRUCT; nil for anything else.
    package var fields: [SQLField]? {
        if case .structure(let fields) = self { fields } else { nil }
    }
}
