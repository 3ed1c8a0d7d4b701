import Columns
import SQLTypes

/// Makes a value of a SQL type of a value of a schema's column.
typealias ValueReader = (ColumnValue) throws(FormatError) -> SQLValue

/// How a SQL column comes from the columns of a writer's records.
struct FieldReader {
    /// The writer's columns that it is made of; none where the writer has no such field.
    var sources: [Int]
    var type: SQLType
    var read: ([ColumnValue]) throws(FormatError) -> SQLValue
    /// Whether the writer's column is the SQL column as it is.
    var isDirect = false

    /// A field that the writer does not have.
    static func missing(_ type: SQLType) -> FieldReader {
        FieldReader(sources: [], type: type) { (_) throws(FormatError) in .null }
    }

    static func single(_ source: Int, _ type: SQLType, isDirect: Bool, _ read: @escaping ValueReader) -> FieldReader {
        FieldReader(
            sources: [source], type: type, read: { (values) throws(FormatError) in try read(values[0]) },
            isDirect: isDirect)
    }
}

/// Reads what stands behind the frame of records, for one schema that they were written with. One user at a time.
protocol PayloadReader: AnyObject {
    /// By SQL column; empty when `root` reads the record as a whole.
    var fields: [FieldReader] { get }
    /// Reads records that are no structures: the record is the only column.
    var root: ValueReader? { get }
    /// Whether the writer's columns are the fields of the record that `root` reads.
    var rootIsRecord: Bool { get }
    /// Whether the writer's only column is the SQL column as it is.
    var rootIsDirect: Bool { get }
    func append(_ payload: UnsafeRawBufferPointer) throws(FormatError)
    func appendNull()
    /// Appends records whose payloads begin at `offset`, as many rows as there are records.
    ///
    /// - Returns: those that could not be read, ascending; they and those without a value are rows of nulls.
    func append(_ records: BytesColumn, from offset: Int) -> [DecodedColumns.Failure]
    /// The writer's columns of what was appended.
    func finish() -> [Column]
}

extension PayloadReader {
    func append(_ records: BytesColumn, from offset: Int) -> [DecodedColumns.Failure] {
        var failures: [DecodedColumns.Failure] = []
        for row in 0..<records.count {
            do throws(FormatError) {
                let done: Void? = try records.withBytes(row) { (bytes) throws(FormatError) in
                    try append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[offset...]))
                }
                if done == nil { appendNull() }
            } catch {
                failures.append(.init(row: row, error: error))
                appendNull()
            }
        }
        return failures
    }
}

/// The rules by which ksqlDB takes Connect's types for its own.
enum ConnectTypes {
    /// The name of a SQL type among Connect's.
    static func name(_ type: SQLType) -> String {
        switch type {
        case .boolean: "boolean"
        case .int, .time, .date: "int32"
        case .bigint, .timestamp: "int64"
        case .double: "float64"
        case .decimal, .bytes: "bytes"
        case .string: "string"
        case .array: "array"
        case .map: "map"
        case .structure: "struct"
        }
    }

    /// - Parameter name: Connect's name of what the record has.
    static func mismatch(_ name: String, _ type: SQLType, _ path: String) -> ValueReader {
        let error = FormatError(
            .deserialization, "Cannot deserialize type \(name) as type \(Self.name(type)) for path: \(path)")
        return { (_) throws(FormatError) in throw error }
    }

    /// Numbers, texts and bytes, by what their columns hold.
    static func scalar(_ name: String, _ type: SQLType, _ path: String) -> ValueReader {
        switch (type, name) {
        case (.boolean, "boolean"):
            return { (value) throws(FormatError) in if case .boolean(let flag) = value { .boolean(flag) } else { .null }
            }
        case (.int, "int32"):
            return { (value) throws(FormatError) in integer(value).map { .int(Int32(truncatingIfNeeded: $0)) } ?? .null
            }
        case (.time, "int32"):
            return { (value) throws(FormatError) in integer(value).map { .time(Int32(truncatingIfNeeded: $0)) } ?? .null
            }
        case (.date, "int32"):
            return { (value) throws(FormatError) in integer(value).map { .date(Int32(truncatingIfNeeded: $0)) } ?? .null
            }
        case (.bigint, "int32"), (.bigint, "int64"):
            return { (value) throws(FormatError) in integer(value).map { .bigint($0) } ?? .null }
        case (.timestamp, "int32"), (.timestamp, "int64"):
            return { (value) throws(FormatError) in integer(value).map { .timestamp($0) } ?? .null }
        case (.double, "float32"), (.double, "float64"):
            return { (value) throws(FormatError) in
                switch value {
                case .float(let number): .double(Double(number))
                case .double(let number): .double(number)
                default: .null
                }
            }
        case (.string, "int32"), (.string, "int64"), (.string, "float32"), (.string, "float64"), (.string, "boolean"),
            (.string, "string"):
            return { (value) throws(FormatError) in text(value).map { .string($0) } ?? .null }
        case (.bytes, "bytes"):
            return { (value) throws(FormatError) in if case .bytes(let bytes) = value { .bytes(bytes) } else { .null } }
        default: return mismatch(name, type, path)
        }
    }

    static func integer(_ value: ColumnValue) -> Int64? {
        switch value {
        case .int32(let number): Int64(number)
        case .int64(let number): number
        default: nil
        }
    }

    private static func text(_ value: ColumnValue) -> String? {
        switch value {
        case .boolean(let flag): flag ? "true" : "false"
        case .int32(let number): String(number)
        case .int64(let number): String(number)
        case .float(let number): DoubleText.text(Double("\(number)") ?? Double(number))
        case .double(let number): DoubleText.text(number)
        case .string(let text): text
        default: nil
        }
    }

    static func fitted(_ decimal: SQLDecimal, _ precision: Int, _ scale: Int) throws(FormatError) -> SQLValue {
        do throws(SQLTypesError) { return .decimal(try decimal.fitted(precision: precision, scale: scale)) } catch {
            throw FormatError(.deserialization, error.message)
        }
    }

    /// Which SQL field a writer's field is for: of the same name, else of its upper-case one.
    static func index(of name: String, in fields: [SQLField], _ rename: (String) -> String = { $0 }) -> Int? {
        if let index = fields.firstIndex(where: { rename($0.name).isSame(as: name) }) { return index }
        let upper = name.uppercased()
        return fields.firstIndex { rename($0.name).isSame(as: upper) }
    }
}
