import SQLTypes

/// What formats allow, in ksqlDB's words.
enum FormatRules {
    /// A format by name with the settings given, of which it must know all.
    static func info(_ name: String, _ properties: [String: String]) throws(PlanError) -> FormatInfo {
        guard let format = SQLFormat(name: name) else { throw PlanError("Unknown format: \(name.uppercased())") }
        var properties = properties
        let unknown = properties.keys.filter { !format.supportedProperties.contains($0) }.sorted()
        guard unknown.isEmpty else {
            throw PlanError(
                "\(format.rawValue) does not support the following configs: [\(unknown.joined(separator: ", "))]")
        }
        if let fullName = properties[FormatInfo.fullSchemaNameProperty], trimmed(fullName).isEmpty {
            throw PlanError("fullSchemaName cannot be empty. Format configuration: {fullSchemaName=}")
        }
        if format == .protobuf { properties[FormatInfo.unwrapPrimitivesProperty] = "true" }
        return FormatInfo(format, properties: properties)
    }

    static func trimmed(_ text: String) -> Substring {
        var text = text[...]
        while let first = text.unicodeScalars.first, first.value <= 32 { text.unicodeScalars.removeFirst() }
        while let last = text.unicodeScalars.last, last.value <= 32 { text.unicodeScalars.removeLast() }
        return text
    }

    /// Of a key with so many columns.
    static func keyFeatures(_ format: SQLFormat, columnCount: Int) -> Set<SerdeFeature> {
        let supported = format.supportedFeatures
        return columnCount == 1 && supported.contains(.wrapSingles) && supported.contains(.unwrapSingles)
            ? [.unwrapSingles] : []
    }

    /// - Parameter wrapping: what the statement says about a single value.
    static func valueFeatures(
        _ format: SQLFormat, columnCount: Int, wrapping: Bool?, configuration: SQLConfiguration
    ) throws(PlanError) -> Set<SerdeFeature> {
        if let wrapping {
            let feature: SerdeFeature = wrapping ? .wrapSingles : .unwrapSingles
            guard format.supportedFeatures.contains(feature) else {
                throw PlanError(
                    "Format '\(format.rawValue)' does not support 'WRAP_SINGLE_VALUE' set to '\(wrapping)'.")
            }
            guard columnCount == 1 else {
                throw PlanError("'WRAP_SINGLE_VALUE' is only valid for single-field value schemas")
            }
            return [feature]
        }
        guard columnCount == 1, let wraps = configuration.wrapsSingleValues else { return [] }
        let feature: SerdeFeature = wraps ? .wrapSingles : .unwrapSingles
        return format.supportedFeatures.contains(feature) ? [feature] : []
    }

    /// Whether the format can carry the columns.
    static func check(_ columns: [SQLColumn], _ format: SerdeFormat, isKey: Bool) throws(PlanError) {
        guard let reason = objection(to: columns, format.info.format) else { return }
        let features = format.features.sorted().map(\.rawValue).joined(separator: ", ")
        let list = columns.map(\.description).joined(separator: ", ")
        throw PlanError(
            .schema,
            "\(isKey ? "Key" : "Value") format does not support schema.\nformat: \(format.info.format.rawValue)\n"
                + "schema: Persistence{columns=[\(list)], features=[\(features)]}\nreason: \(reason)")
    }

    /// Why the format cannot carry the columns; nil when it can.
    static func objection(to columns: [SQLColumn], _ format: SQLFormat) -> String? {
        let list = columns.map(\.description).joined(separator: ", ")
        switch format {
        case .none:
            return columns.isEmpty
                ? nil : "The 'NONE' format can only be used when no columns are defined. Got: [\(list)]"
        case .kafka:
            for column in columns where !isKafkaType(column.type) {
                return "The 'KAFKA' format does not support type '\(column.type.base.rawValue)'"
            }
            return columns.count > 1 ? "The 'KAFKA' format only supports a single field. Got: [\(list)]" : nil
        case .delimited:
            for column in columns where !column.type.isPrimitive {
                return "The 'DELIMITED' format does not support type '\(column.type.base.rawValue)'"
            }
            return nil
        case .json, .jsonSR:
            return columns.contains { hasOtherKeys($0.type) } ? "JSON only supports MAP types with STRING keys" : nil
        case .avro: return columns.contains { hasOtherKeys($0.type) } ? "Avro only supports MAPs with STRING keys" : nil
        case .protobuf, .protobufNoSR: return nil
        }
    }

    static func isKafkaType(_ type: SQLType) -> Bool {
        switch type {
        case .int, .bigint, .double, .string, .bytes: true
        default: false
        }
    }

    /// Whether a MAP in it has keys that are no STRINGs.
    private static func hasOtherKeys(_ type: SQLType) -> Bool {
        switch type {
        case .map(let key, let value): key != .string || hasOtherKeys(value)
        case .array(let element): hasOtherKeys(element)
        case .structure(let fields): fields.contains { hasOtherKeys($0.type) }
        default: false
        }
    }

    /// The format of a key that changed to columns of these types: what cannot carry them becomes JSON.
    ///
    /// - Parameter mayChange: whether it may be another format.
    static func sanitized(_ format: SerdeFormat, types: [SQLType], mayChange: Bool) -> SerdeFormat {
        var format = format
        if mayChange {
            let isTooNarrow =
                types.count > 1 && !format.info.format.supportsMultipleKeyColumns
                || format.info.format == .kafka && !types.allSatisfy(isKafkaType)
                || format.info.format == .delimited && !types.allSatisfy(\.isPrimitive)
            if isTooNarrow { format = SerdeFormat(FormatInfo(.json)) }
        }
        let features = keyFeatures(format.info.format, columnCount: types.count)
        format.features = types.count == 1 && !format.features.isEmpty ? format.features : features
        return format
    }

    /// Maps differ in order from record to record, which keys must not.
    static func checkKey(_ columns: some Sequence<SQLColumn>) throws(PlanError) {
        for column in columns where column.type.containsMap {
            throw PlanError(
                .type,
                "Map keys, including types that contain maps, are not supported as they may lead to unexpected behavior"
                    + " due to inconsistent serialization. Key column name: \(SQLIdentifier.quoted(column.name)). Column"
                    + " type: \(column.type). See https://github.com/confluentinc/ksql/issues/6621 for more.")
        }
    }

    /// The Avro record of the key of a stream or table: "io.confluent.ksql.avro_schemas.LeftTableKey".
    static func avroKeyName(of source: String) -> String {
        let words = source.split(separator: "_", omittingEmptySubsequences: true).map {
            $0.prefix(1).uppercased() + $0.dropFirst().lowercased()
        }
        return "io.confluent.ksql.avro_schemas." + words.joined() + "Key"
    }
}
