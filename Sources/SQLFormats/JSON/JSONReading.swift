import JSONFormat
import SQLTypes

/// Why a JSON value is not of the type of its column, and where it stands: ".F", "[3]" from the outside in.
struct JSONFailure: Error {
    var message: String
    var path = ""

    init(_ message: String) { self.message = message }
    init(_ error: SQLTypesError) { message = error.message }
    init(_ error: JSONError) { message = error.description }

    func inside(_ part: String) -> JSONFailure {
        var failure = self
        failure.path = part + path
        return failure
    }
}

/// Reads JSON values as values of SQL types with ksqlDB's coercions: texts become numbers, fractions are cut off, and
/// anything becomes a STRING.
///
/// The text at the cursor has been passed over once, so its grammar and its depth are known to be good.
enum JSONReading {
    static func value(
        _ cursor: inout JSONCursor, in bytes: RawSpan, as type: SQLType
    ) throws(JSONFailure) -> SQLValue {
        let kind = try kind(&cursor, bytes)
        if kind == .null {
            try skip(&cursor, bytes)
            return .null
        }
        switch type {
        case .boolean:
            guard kind == .bool else { throw mismatch(&cursor, bytes, kind, "BOOLEAN") }
            return .boolean(try bool(&cursor, bytes))
        case .int: return .int(Int32(truncatingIfNeeded: try integer(&cursor, bytes, kind, "INTEGER", isInt: true)))
        case .bigint: return .bigint(try integer(&cursor, bytes, kind, "BIGINT"))
        case .timestamp: return .timestamp(try integer(&cursor, bytes, kind, "TIMESTAMP"))
        case .time:
            let number = try integer(&cursor, bytes, kind, "TIME")
            do throws(SQLTypesError) { return .time(try TimeRange.time(number)) } catch { throw JSONFailure(error) }
        case .date:
            let number = try integer(&cursor, bytes, kind, "DATE")
            do throws(SQLTypesError) { return .date(try TimeRange.date(number)) } catch { throw JSONFailure(error) }
        case .double: return .double(try double(&cursor, bytes, kind))
        case .decimal(let precision, let scale):
            let text: [UInt8]
            switch kind {
            case .number: text = try numberText(&cursor, bytes)
            case .string: text = Array(try string(&cursor, bytes).utf8)
            default: throw mismatch(&cursor, bytes, kind, "DECIMAL(\(precision), \(scale))")
            }
            guard let decimal = SQLDecimal(utf8: text) else {
                throw JSONFailure("\"\(String(decoding: text.prefix(64), as: UTF8.self))\" is no decimal number")
            }
            do throws(SQLTypesError) {
                return .decimal(try decimal.fitted(precision: precision, scale: scale))
            } catch { throw JSONFailure(error) }
        case .string: return .string(try anyText(&cursor, bytes, kind))
        case .bytes:
            guard kind == .string else { throw mismatch(&cursor, bytes, kind, "BYTES") }
            let text = try string(&cursor, bytes)
            guard let decoded = Base64.decode(text) else {
                throw JSONFailure("Value is not a valid Base64 encoded string: \(text)")
            }
            return .bytes(decoded)
        case .array(let element):
            guard kind == .array else { throw mismatch(&cursor, bytes, kind, typeText(type)) }
            return .array(try elements(&cursor, bytes, element))
        case .map(_, let value):
            guard kind == .object else { throw mismatch(&cursor, bytes, kind, typeText(type)) }
            return .map(try entries(&cursor, bytes, value))
        case .structure(let fields):
            guard kind == .object else { throw mismatch(&cursor, bytes, kind, typeText(type)) }
            return .structure(try row(&cursor, in: bytes, fields))
        }
    }

    /// The values of fields from an object: by their exact names, else by their upper-case ones. Of several members of
    /// one name the last counts.
    static func row(
        _ cursor: inout JSONCursor, in bytes: RawSpan, _ fields: [SQLField]
    ) throws(JSONFailure) -> [SQLValue] {
        var exact = [Int](repeating: -1, count: fields.count)
        var upper = exact
        do throws(JSONError) {
            if try cursor.enterObject(in: bytes) {
                repeat {
                    let name = JSONCursor.string(try cursor.readName(in: bytes), in: bytes)
                    let place = cursor.at
                    try cursor.skipValue(in: bytes)
                    let isASCII = name.utf8.allSatisfy { $0 < 0x80 }
                    for index in fields.indices {
                        let field = fields[index].name
                        if isASCII {
                            guard field.utf8.count == name.utf8.count else { continue }
                            if field.isSame(as: name) { exact[index] = place }
                            if isUpperCase(field, of: name) { upper[index] = place }
                        } else {
                            if field.isSame(as: name) { exact[index] = place }
                            if field.isSame(as: name.uppercased()) { upper[index] = place }
                        }
                    }
                } while try cursor.nextMember(in: bytes)
            }
        } catch { throw JSONFailure(error) }
        var row: [SQLValue] = []
        row.reserveCapacity(fields.count)
        for (index, field) in fields.enumerated() {
            let place = exact[index] >= 0 ? exact[index] : upper[index]
            guard place >= 0 else {
                row.append(.null)
                continue
            }
            var inner = JSONCursor(at: place)
            do throws(JSONFailure) {
                row.append(try value(&inner, in: bytes, as: field.type))
            } catch { throw error.inside("." + field.name) }
        }
        return row
    }

    /// Whether `field` is `name`, which is ASCII and as long, in upper case.
    private static func isUpperCase(_ field: String, of name: String) -> Bool {
        zip(field.utf8, name.utf8).allSatisfy { $0 == (0x61...0x7A ~= $1 ? $1 & 0xDF : $1) }
    }

    private static func elements(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ type: SQLType
    ) throws(JSONFailure) -> [SQLValue] {
        var values: [SQLValue] = []
        guard try enterArray(&cursor, bytes) else { return values }
        repeat {
            do throws(JSONFailure) {
                values.append(try value(&cursor, in: bytes, as: type))
            } catch { throw error.inside("[\(values.count)]") }
        } while try nextElement(&cursor, bytes)
        return values
    }

    private static func entries(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ type: SQLType
    ) throws(JSONFailure) -> SQLMap {
        var entries: [(key: SQLValue, value: SQLValue)] = []
        do throws(JSONError) { guard try cursor.enterObject(in: bytes) else { return .empty } } catch {
            throw JSONFailure(error)
        }
        while true {
            let name: String
            do throws(JSONError) { name = JSONCursor.string(try cursor.readName(in: bytes), in: bytes) } catch {
                throw JSONFailure(error)
            }
            do throws(JSONFailure) {
                entries.append((.string(name), try value(&cursor, in: bytes, as: type)))
            } catch { throw error.inside(".\(name).value") }
            do throws(JSONError) { guard try cursor.nextMember(in: bytes) else { return SQLMap(entries) } } catch {
                throw JSONFailure(error)
            }
        }
    }

    // MARK: Scalars

    private static func integer(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ kind: JSONKind, _ type: String, isInt: Bool = false
    ) throws(JSONFailure) -> Int64 {
        switch kind {
        case .number:
            let range = try number(&cursor, bytes)
            if let value = JSONCursor.int64(range, in: bytes) { return value }
            guard let decimal = SQLDecimal(utf8: text(range, bytes)) else {
                throw JSONFailure("a number of too many digits")
            }
            return decimal.int64Truncating
        case .string:
            let text = try string(&cursor, bytes)
            do throws(SQLTypesError) {
                return isInt ? Int64(try NumberText.int(text)) : try NumberText.bigint(text)
            } catch {
                throw JSONFailure("Can't coerce string to type. targetType: \(type)")
            }
        default: throw mismatch(&cursor, bytes, kind, type)
        }
    }

    private static func double(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ kind: JSONKind
    ) throws(JSONFailure) -> Double {
        switch kind {
        case .number:
            let value = JSONCursor.double(try number(&cursor, bytes), in: bytes)
            return value == 0 ? 0 : value  // numbers of Java's decimals have no -0
        case .string:
            let text = try string(&cursor, bytes)
            do throws(SQLTypesError) { return try NumberText.anyDouble(text) } catch {
                throw JSONFailure("Can't coerce string to type. targetType: DOUBLE")
            }
        default: throw mismatch(&cursor, bytes, kind, "DOUBLE")
        }
    }

    /// What a STRING column makes of any value that is not null.
    private static func anyText(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ kind: JSONKind
    ) throws(JSONFailure) -> String {
        switch kind {
        case .string: return try string(&cursor, bytes)
        case .number: return String(decoding: JSONNumber.javaText(try numberText(&cursor, bytes)), as: UTF8.self)
        case .bool: return try bool(&cursor, bytes) ? "true" : "false"
        case .null:
            try skip(&cursor, bytes)
            return "null"
        case .object:
            do throws(JSONError) {
                let value = try JSONValue.read(at: &cursor, in: bytes)
                return String(decoding: value.javaBytes(), as: UTF8.self)
            } catch { throw JSONFailure(error) }
        case .array:
            var texts: [String] = []
            if try enterArray(&cursor, bytes) {
                repeat {
                    let kind = try self.kind(&cursor, bytes)
                    texts.append(try anyText(&cursor, bytes, kind))
                } while try nextElement(&cursor, bytes)
            }
            return "[" + texts.joined(separator: ", ") + "]"
        }
    }

    // MARK: Errors

    private static func mismatch(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ kind: JSONKind, _ type: String
    ) -> JSONFailure {
        JSONFailure("Can't convert type. sourceType: \(nodeName(&cursor, bytes, kind)), requiredType: \(type)")
    }

    /// The class that the original reads such a value as; clients look for it in messages.
    static func nodeName(_ cursor: inout JSONCursor, _ bytes: RawSpan, _ kind: JSONKind) -> String {
        switch kind {
        case .object: return "ObjectNode"
        case .array: return "ArrayNode"
        case .string: return "TextNode"
        case .bool: return "BooleanNode"
        case .null: return "NullNode"
        case .number:
            var ahead = cursor
            do throws(JSONError) {
                let range = try ahead.readNumber(in: bytes)
                guard range.isInteger else { return "DecimalNode" }
                guard let value = JSONCursor.int64(range, in: bytes) else { return "BigIntegerNode" }
                return Int32(exactly: value) == nil ? "LongNode" : "IntNode"
            } catch {
                return "MissingNode"
            }
        }
    }

    /// A type as the original's messages about it have it: "ARRAY<STRUCT<A INT, B VARCHAR>>".
    static func typeText(_ type: SQLType) -> String {
        switch type {
        case .int: "INT"
        case .string: "VARCHAR"
        case .array(let element): "ARRAY<\(typeText(element))>"
        case .map(let key, let value): "MAP<\(typeText(key)), \(typeText(value))>"
        case .structure(let fields):
            "STRUCT<" + fields.map { "\($0.name) \(typeText($0.type))" }.joined(separator: ", ") + ">"
        default: type.description
        }
    }

    // MARK: The cursor with errors of this file

    private static func kind(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) -> JSONKind {
        do throws(JSONError) { return try cursor.kind(in: bytes) } catch { throw JSONFailure(error) }
    }

    private static func skip(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) {
        do throws(JSONError) { try cursor.skipValue(in: bytes) } catch { throw JSONFailure(error) }
    }

    private static func bool(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) -> Bool {
        do throws(JSONError) { return try cursor.readBool(in: bytes) } catch { throw JSONFailure(error) }
    }

    private static func number(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) -> JSONNumberRange {
        do throws(JSONError) { return try cursor.readNumber(in: bytes) } catch { throw JSONFailure(error) }
    }

    private static func numberText(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) -> [UInt8] {
        text(try number(&cursor, bytes), bytes)
    }

    private static func text(_ range: JSONNumberRange, _ bytes: RawSpan) -> [UInt8] {
        bytes.extracting(range.start..<range.end).withUnsafeBytes { Array($0) }
    }

    private static func string(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) -> String {
        do throws(JSONError) { return JSONCursor.string(try cursor.readString(in: bytes), in: bytes) } catch {
            throw JSONFailure(error)
        }
    }

    private static func enterArray(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) -> Bool {
        do throws(JSONError) { return try cursor.enterArray(in: bytes) } catch { throw JSONFailure(error) }
    }

    private static func nextElement(_ cursor: inout JSONCursor, _ bytes: RawSpan) throws(JSONFailure) -> Bool {
        do throws(JSONError) { return try cursor.nextElement(in: bytes) } catch { throw JSONFailure(error) }
    }
}
