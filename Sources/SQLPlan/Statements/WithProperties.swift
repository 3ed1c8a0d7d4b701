import Bytes
import SQLSyntax
import SQLTypes

/// `WITH (...)` of a statement, each property checked by itself. Section 6 of the language reference.
struct WithProperties: Sendable {
    enum Use: Sendable { case create, createAs, insertInto }

    var topic: String?
    var partitions: Int?
    var replicas: Int?
    var retention: Int64?
    var hasCleanupPolicy = false
    var format: String?
    /// The explicit ones, or `format`.
    var keyFormat: String?
    var valueFormat: String?
    var keyDelimiter: String?
    var valueDelimiter: String?
    var keySchemaID: Int32?
    var valueSchemaID: Int32?
    var keySchemaName: String?
    var valueSchemaName: String?
    var keyNullables: String?
    var valueNullables: String?
    var timestamp: TimestampColumn?
    var wrapsSingleValue: Bool?
    var windowKind: WindowInfo.Kind?
    /// Milliseconds.
    var windowSize: Int64?
    var queryID: String?

    private static let common: Set<String> = [
        "KAFKA_TOPIC", "FORMAT", "KEY_FORMAT", "VALUE_FORMAT", "PARTITIONS", "REPLICAS", "RETENTION_MS",
        "CLEANUP_POLICY", "TIMESTAMP", "TIMESTAMP_FORMAT", "WRAP_SINGLE_VALUE", "KEY_DELIMITER", "VALUE_DELIMITER",
        "KEY_SCHEMA_ID", "VALUE_SCHEMA_ID", "KEY_SCHEMA_FULL_NAME", "VALUE_SCHEMA_FULL_NAME",
        "VALUE_AVRO_SCHEMA_FULL_NAME", "KEY_PROTOBUF_NULLABLE_REPRESENTATION", "VALUE_PROTOBUF_NULLABLE_REPRESENTATION",
    ]
    private static let createOnly: Set<String> = [
        "WINDOW_TYPE", "WINDOW_SIZE", "SOURCE_CONNECTOR", "SOURCED_BY_CONNECTOR",
    ]

    /// - Throws: texts that begin with "Failed to prepare statement: ", as the original's do.
    init(_ properties: Properties, for use: Use) throws(PlanError) {
        do { try self.init(checking: properties, for: use) } catch {
            throw error.prefixed("Failed to prepare statement: ")
        }
    }

    private init(checking properties: Properties, for use: Use) throws(PlanError) {
        var values: [String: Literal] = [:]
        for entry in properties.entries { values[entry.name.text.uppercased()] = entry.value }
        let known: Set<String> =
            switch use {
            case .create: Self.common.union(Self.createOnly)
            case .createAs: Self.common
            case .insertInto: ["QUERY_ID"]
            }
        let unknown = values.keys.filter { !known.contains($0) }.sorted()
        guard unknown.isEmpty else {
            let hints = unknown.compactMap { nearestName(to: $0, among: known.sorted()) }
            throw PlanError(
                "Invalid config variable(s) in the WITH clause: \(unknown.joined(separator: ","))"
                    + (hints.isEmpty ? "" : "\nDid you mean \(Words.join(hints, "or"))?"))
        }
        let reader = Reader(values: values)
        topic = reader.text("KAFKA_TOPIC")
        if topic?.isEmpty == true {
            throw PlanError("Invalid value  for property KAFKA_TOPIC: String must be non-empty")
        }
        if use == .create, topic == nil {
            throw PlanError("Missing required property \"KAFKA_TOPIC\" which has no default value.")
        }
        partitions = try reader.number("PARTITIONS", Int32.self).map(Int.init)
        replicas = try reader.number("REPLICAS", Int16.self).map(Int.init)
        retention = try reader.number("RETENTION_MS", Int64.self)
        hasCleanupPolicy = values["CLEANUP_POLICY"] != nil
        format = reader.text("FORMAT")
        let keyFormat = reader.text("KEY_FORMAT")
        let valueFormat = reader.text("VALUE_FORMAT")
        self.keyFormat = format ?? keyFormat
        self.valueFormat = format ?? valueFormat
        keyDelimiter = try reader.delimiter("KEY_DELIMITER")
        valueDelimiter = try reader.delimiter("VALUE_DELIMITER")
        keySchemaID = try reader.number("KEY_SCHEMA_ID", Int32.self)
        valueSchemaID = try reader.number("VALUE_SCHEMA_ID", Int32.self)
        keySchemaName = reader.text("KEY_SCHEMA_FULL_NAME")
        valueSchemaName = reader.text("VALUE_AVRO_SCHEMA_FULL_NAME") ?? reader.text("VALUE_SCHEMA_FULL_NAME")
        if values["VALUE_AVRO_SCHEMA_FULL_NAME"] != nil, values["VALUE_SCHEMA_FULL_NAME"] != nil {
            throw PlanError(
                "Cannot supply both 'VALUE_AVRO_SCHEMA_FULL_NAME' and 'VALUE_SCHEMA_FULL_NAME' properties. Please only "
                    + "set 'VALUE_SCHEMA_FULL_NAME'.")
        }
        keyNullables = try reader.nullables("KEY_PROTOBUF_NULLABLE_REPRESENTATION")
        valueNullables = try reader.nullables("VALUE_PROTOBUF_NULLABLE_REPRESENTATION")
        wrapsSingleValue = try reader.boolean("WRAP_SINGLE_VALUE")
        let pattern = reader.text("TIMESTAMP_FORMAT")
        timestamp = try reader.text("TIMESTAMP").map { text throws(PlanError) in
            TimestampColumn(column: try Self.columnName(text), format: pattern)
        }
        queryID = reader.text("QUERY_ID")
        try checkFormats(keyFormat, valueFormat)
        if let pattern {
            do { _ = try DateTimePattern(pattern) } catch {
                throw PlanError("Invalid datatime format for config:TIMESTAMP_FORMAT, reason:\(error.message)")
            }
        }
        try readWindow(reader)
    }

    private func checkFormats(_ key: String?, _ value: String?) throws(PlanError) {
        guard format != nil else { return }
        for (name, other) in [("KEY_FORMAT", key), ("VALUE_FORMAT", value)] where other != nil {
            throw PlanError(
                "Cannot supply both '\(name)' and 'FORMAT' properties, as 'FORMAT' sets both key and value formats. "
                    + "Either use just 'FORMAT', or use 'KEY_FORMAT' and 'VALUE_FORMAT'.")
        }
    }

    private mutating func readWindow(_ reader: Reader) throws(PlanError) {
        if let text = reader.text("WINDOW_TYPE") {
            guard let kind = WindowInfo.Kind(rawValue: text.uppercased()) else {
                throw PlanError(
                    "Error in WITH clause property 'WINDOW_TYPE': Unknown window type: '\(text)'\nValid values are: "
                        + "SESSION, HOPPING, TUMBLING")
            }
            windowKind = kind
        }
        if let text = reader.text("WINDOW_SIZE") { windowSize = try Self.duration(text) }
        if let windowKind, windowKind != .session, windowSize == nil {
            throw PlanError(
                "\(windowKind.rawValue) windows require 'WINDOW_SIZE' to be provided in the WITH clause. For example: "
                    + "'WINDOW_SIZE'='10 SECONDS'")
        }
        if windowSize != nil, windowKind == nil || windowKind == .session {
            throw PlanError("'WINDOW_SIZE' should not be set for SESSION windows.")
        }
    }

    /// "10 SECONDS" in milliseconds.
    private static func duration(_ text: String) throws(PlanError) -> Int64 {
        func failure(_ reason: String) -> PlanError {
            PlanError("Error in WITH clause property 'WINDOW_SIZE': \(reason)\nExample valid value: '10 SECONDS'")
        }
        let parts = text.split(whereSeparator: \.isWhitespace)
        guard parts.count == 2 else {
            throw failure("Invalid duration: '\(text)'. Expected 2 parts, got: \(parts.count)")
        }
        guard let count = Int64(parts[0]) else {
            throw failure("Invalid duration: '\(text)'. Not numeric: \(parts[0])")
        }
        guard let unit = TimeUnit(word: parts[1].uppercased()) else {
            throw failure("Invalid duration: '\(text)'. Unknown time unit: '\(parts[1].uppercased())'")
        }
        return TimeSpan(count, unit).milliseconds
    }

    /// A column in a property: as in SQL, upper-case unless quoted.
    private static func columnName(_ text: String) throws(PlanError) -> String {
        do {
            if case .column(let name) = try SQLParser.expression(text).kind { return name.text }
        } catch {
            throw PlanError("Failed to parse column '\(text)': \(error.headline)")
        }
        throw PlanError("'\(text)' is no column")
    }

    /// The settings of the key's format that the statement gives.
    func keySettings(_ format: String, source: String) throws(PlanError) -> [String: String] {
        var settings: [String: String] = [:]
        if let keySchemaName {
            settings[FormatInfo.fullSchemaNameProperty] = keySchemaName
        } else if format.uppercased() == SQLFormat.avro.rawValue {
            settings[FormatInfo.fullSchemaNameProperty] = FormatRules.avroKeyName(of: source)
        }
        settings[FormatInfo.delimiterProperty] = keyDelimiter
        settings[FormatInfo.schemaIDProperty] = keySchemaID.map { String($0) }
        settings[FormatInfo.nullableRepresentationProperty] =
            try Self.nullables(keyNullables, format, "KEY_PROTOBUF_NULLABLE_REPRESENTATION")
        return settings
    }

    /// The settings of the value's format that the statement gives.
    func valueSettings(_ format: String) throws(PlanError) -> [String: String] {
        var settings: [String: String] = [:]
        settings[FormatInfo.fullSchemaNameProperty] = valueSchemaName
        settings[FormatInfo.delimiterProperty] = valueDelimiter
        settings[FormatInfo.schemaIDProperty] = valueSchemaID.map { String($0) }
        settings[FormatInfo.nullableRepresentationProperty] =
            try Self.nullables(valueNullables, format, "VALUE_PROTOBUF_NULLABLE_REPRESENTATION")
        return settings
    }

    private static func nullables(_ value: String?, _ format: String, _ property: String) throws(PlanError) -> String? {
        guard let value else { return nil }
        guard [SQLFormat.protobuf.rawValue, SQLFormat.protobufNoSR.rawValue].contains(format.uppercased()) else {
            throw PlanError("Property \(property) can only be enabled with protobuf format")
        }
        return value
    }

    /// Values as the kinds that properties have; texts may spell numbers and booleans.
    private struct Reader {
        var values: [String: Literal]

        func text(_ name: String) -> String? {
            guard let literal = values[name] else { return nil }
            switch literal {
            case .null: return nil
            case .string(let text), .decimal(let text): return text
            case .boolean(let value): return value ? "true" : "false"
            case .integer(let value): return String(value)
            case .bigint(let value): return String(value)
            case .double(let value): return DoubleText.text(value)
            case .variable(let name): return "${\(name)}"
            }
        }

        func number<Number: FixedWidthInteger>(_ name: String, _: Number.Type) throws(PlanError) -> Number? {
            guard let text = text(name) else { return nil }
            guard let number = Number(String(FormatRules.trimmed(text))) else {
                throw PlanError(
                    "Invalid value \(text) for property \(name): Not a number of type \(Self.kind(Number.self))")
            }
            return number
        }

        private static func kind<Number: FixedWidthInteger>(_: Number.Type) -> String {
            switch Number.bitWidth {
            case 16: "SHORT"
            case 32: "INT"
            default: "LONG"
            }
        }

        func boolean(_ name: String) throws(PlanError) -> Bool? {
            guard let text = text(name) else { return nil }
            switch FormatRules.trimmed(text).lowercased() {
            case "true": return true
            case "false": return false
            default:
                throw PlanError(
                    "Invalid value \(text) for property \(name): Expected value to be either true or false")
            }
        }

        func nullables(_ name: String) throws(PlanError) -> String? {
            guard let text = text(name) else { return nil }
            guard ["OPTIONAL", "WRAPPER"].contains(text.uppercased()) else {
                throw PlanError(
                    "Invalid value \(text) for property \(name): String must be one of: OPTIONAL, WRAPPER, null")
            }
            return text.uppercased()
        }

        func delimiter(_ name: String) throws(PlanError) -> String? {
            guard let text = text(name) else { return nil }
            let example = "\nExample valid value: ';'"
            if ["TAB", "SPACE"].contains(text.uppercased()) { return text.uppercased() }
            guard !FormatRules.trimmed(text).isEmpty else {
                throw PlanError(
                    "Configuration \(name) is invalid: Delimiter cannot be empty, if you meant to have a tab or space for "
                        + "delimiter, please use the special values 'TAB' or 'SPACE'" + example)
            }
            guard text.unicodeScalars.count == 1 else {
                throw PlanError(
                    "Configuration \(name) is invalid: Invalid delimiter value: '\(text)'. Delimiter must be a single "
                        + "character or TAB,SPACE" + example)
            }
            return text
        }
    }
}
