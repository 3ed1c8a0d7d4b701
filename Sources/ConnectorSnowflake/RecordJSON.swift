import Bytes
import ConnectCore
import JSONFormat
import SQLTypes

/// Values as JSON: upstream's `RecordService.convertToJson`. Decimals are numbers as long as Snowflake's numbers hold them,
/// dates and times are texts, timestamps milliseconds.
struct RecordJSON: Sendable {
    private static let day: Int64 = 86_400_000
    private let plain: JSONConverter

    init() {
        var options = JSONConverter.Options()
        options.hasSchemas = false
        plain = JSONConverter(options)
    }

    /// - Throws: `.data` for a value that does not fit its schema.
    func json(_ value: ConnectValue, _ schema: ConnectSchema?, depth: Int = 0) throws(ConnectError) -> JSONValue {
        guard depth < ConnectSchema.depthMax else { throw .data("Value is nested too deep") }
        if value.isNull {
            guard let schema else { return .null }
            if let defaultValue = schema.defaultValue, !defaultValue.isNull {
                return try json(defaultValue, schema, depth: depth + 1)
            }
            guard schema.isOptional else {
                throw .data("Conversion error: null value for field that is required and has no default value")
            }
            return .null
        }
        switch value {
        case .decimal(let number):
            return number.precision > 38 ? .string(number.description) : .raw(Array(number.description.utf8))
        case .instant(let millis):
            switch schema?.logicalType {
            case .date: return .string(Self.dateText(millis) + "T" + Self.timeText(millis) + "Z")
            case .time: return .string(Self.timeText(millis) + "+0000")
            default: return .number(millis)
            }
        case .array(let elements):
            var output: [JSONValue] = []
            output.reserveCapacity(elements.count)
            for element in elements { output.append(try json(element, schema?.valueSchema, depth: depth + 1)) }
            return .array(output)
        case .map(let map): return try self.map(map, schema, depth)
        case .structure(let structure):
            var members: [(String, JSONValue)] = []
            members.reserveCapacity(structure.values.count)
            for (index, field) in structure.schema.fields.enumerated() {
                members.append((field.name, try json(structure.values[index], field.schema, depth: depth + 1)))
            }
            return .object(members)
        default: return try plain.json(SchemaAndValue(schema, value))
        }
    }

    private func map(_ map: ConnectMap, _ schema: ConnectSchema?, _ depth: Int) throws(ConnectError) -> JSONValue {
        let isObject =
            schema.map { $0.keySchema?.kind == .string } ?? map.entries.allSatisfy { $0.key.string != nil }
        var members: [(String, JSONValue)] = []
        var pairs: [JSONValue] = []
        for entry in map.entries {
            let value = try json(entry.value, schema?.valueSchema, depth: depth + 1)
            if isObject {
                members.append((entry.key.string ?? "null", value))
            } else {
                pairs.append(.array([try json(entry.key, schema?.keySchema, depth: depth + 1), value]))
            }
        }
        return isObject ? .object(members) : .array(pairs)
    }

    /// `yyyy-MM-dd` in UTC, by the calendar of today for all times.
    static func dateText(_ millis: Int64) -> String {
        // Days since 0000-03-01, so that leap days end a year (Hinnant, "chrono-compatible low-level date algorithms").
        let days = (millis / day) - (millis % day < 0 ? 1 : 0) + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        return "\(pad(year, 4))-\(pad(month < 10 ? month + 3 : month - 9, 2))-\(pad(day, 2))"
    }

    /// `HH:mm:ss.SSS` in UTC.
    static func timeText(_ millis: Int64) -> String {
        let rest = ((millis % day) + day) % day
        let minutes = "\(pad(rest / 3_600_000, 2)):\(pad(rest / 60_000 % 60, 2))"
        return "\(minutes):\(pad(rest / 1000 % 60, 2)).\(pad(rest % 1000, 3))"
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value.magnitude)
        return (value < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
