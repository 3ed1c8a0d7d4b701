internal import ConnectCore
internal import SQLTypes

/// A value as a database hands it out.
enum RawValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case bytes([UInt8])

    var isNull: Bool { if case .null = self { true } else { false } }
}

/// What a column of a result has, whichever database it is of.
enum SourceType: Hashable, Sendable {
    case boolean, int8, int16, int32, int64, float32, float64, string, bytes
    /// An exact number. `followsMapping`: whether `numeric.mapping` is about it. A scale of nil: the column has none.
    case decimal(precision: Int, scale: Int?, followsMapping: Bool)
    case date, time
    /// A year alone, which drivers take for its first day.
    case year
    /// With an offset in the text or without one.
    case timestamp
    case bits(Int)
    /// Left out of records.
    case unsupported

    var isTime: Bool {
        switch self {
        case .date, .timestamp: true
        default: false
        }
    }
}

struct ResultColumn: Sendable, Hashable {
    var name: String
    var type: SourceType
    var isOptional: Bool
    /// In the database's words, for messages.
    var typeName: String
}

/// Rows of a query as they come. While one is open its connection does nothing else.
protocol RowCursor: AnyObject {
    var columns: [ResultColumn] { get }
    /// nil at the end.
    func next() throws(SQLFailure) -> [RawValue]?
    func close()
}

/// A table, as the database lists it.
struct SourceTable: Hashable, Sendable {
    var id: TableID

    /// As partitions of offsets have it.
    var fullName: String { id.parts.joined(separator: ".") }
}

/// A column of a table, as far as reading it in order needs.
struct SourceColumn: Hashable, Sendable {
    var name: String
    var isOptional: Bool
    var isAutoIncrement: Bool
    var typeName: String
}

/// What reading needs beyond writing.
protocol SourceDatabase: Database {
    /// Prepares a new session: each query sees what is committed at its beginning.
    ///
    /// - Parameter isolation: `READ COMMITTED` and its kind; nil for the database's own.
    func prepareReading(isolation: String?) throws(SQLFailure)
    /// Has `stop` end what the connection waits for, from now on.
    func arm(_ stop: QueryStop)
    func rows(_ sql: String) throws(SQLFailure) -> any RowCursor
    /// - Parameter kinds: JDBC's: `TABLE`, `VIEW`, `SYSTEM TABLE` ...
    func tables(kinds: Set<String>) throws(SQLFailure) -> [SourceTable]
    func columns(of table: TableID) throws(SQLFailure) -> [SourceColumn]
    /// Microseconds since 1970 by the database's clock. What has no zone is of `zone`.
    func now(_ zone: TimeZoneID) throws(SQLFailure) -> Int64
}

/// A pattern of JDBC's metadata: `%` for any text, `_` for a character, `\` in front of either.
struct NamePattern: Sendable {
    private let text: [Character]

    init(_ text: String) { self.text = Array(text) }

    func matches(_ name: String) -> Bool {
        func match(_ pattern: ArraySlice<Character>, _ rest: ArraySlice<Character>) -> Bool {
            guard let first = pattern.first else { return rest.isEmpty }
            switch first {
            case "%":
                let behind = pattern.dropFirst()
                return (rest.startIndex...rest.endIndex).contains { match(behind, rest[$0...]) }
            case "_": return !rest.isEmpty && match(pattern.dropFirst(), rest.dropFirst())
            case "\\" where pattern.count > 1:
                let escaped = pattern.dropFirst()
                return rest.first == escaped.first && match(escaped.dropFirst(), rest.dropFirst())
            default: return rest.first == first && match(pattern.dropFirst(), rest.dropFirst())
            }
        }
        return match(text[...], Array(name)[...])
    }
}
