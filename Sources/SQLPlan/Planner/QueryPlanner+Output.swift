import SQLSyntax
import SQLTypes

extension QueryPlanner {
    func output(_ input: PlannedStep, _ selects: Selects) throws(PlanError) -> PlannedQuery {
        switch sink {
        case .none: return try clientOutput(input)
        case .existing(let target): return try existingOutput(input, target)
        case .new(let name, let properties): return try newOutput(input, name, properties)
        }
    }

    private func columns(_ schema: RowSchema) -> [SQLColumn] {
        schema.keys.map { SQLColumn($0.name, $0.type, role: .key) } + schema.values.map { SQLColumn($0.name, $0.type) }
    }

    private func clientOutput(_ input: PlannedStep) throws(PlanError) -> PlannedQuery {
        // Clients get keys that are selected among the values.
        let keys = Set(input.schema.keys)
        try checkDuplicates(
            input.schema.values.map { SQLColumn($0.name, $0.type, role: keys.contains($0) ? .key : .value) })
        let plan = finished(input, .push, sinkName: nil)
        return PlannedQuery(
            plan: plan, isTable: input.isTable, columns: columns(input.schema), keyFormat: input.keyFormat,
            window: input.schema.window, valueFormat: analysis.from.source.valueFormat, topic: "", timestamp: nil)
    }

    private func existingOutput(_ input: PlannedStep, _ target: SourceDescription) throws(PlanError) -> PlannedQuery {
        let result = columns(input.schema)
        try checkDuplicates(result)
        guard input.isTable == target.isTable else {
            func kind(_ isTable: Bool) -> String { isTable ? "KTABLE" : "KSTREAM" }
            throw PlanError(
                "Incompatible data sink and query result. Data sink (\(target.name)) type is \(kind(target.isTable)) but"
                    + " select query result is \(kind(input.isTable)).")
        }
        let wanted = target.keyColumns + target.valueColumns
        guard result.count == wanted.count,
            zip(result, wanted).allSatisfy({
                $0.name == $1.name && $0.role == $1.role && Self.takes($1.type, $0.type)
            })
        else {
            throw PlanError(
                .schema,
                "Incompatible schema between results and sink.\nResult schema is \(SQLColumn.list(result))\n"
                    + "Sink schema is \(target.schemaText)")
        }
        guard input.schema.window == target.window else { throw PlanError("Into can't change windowing") }
        let fitted = fitted(input, to: wanted)
        let step = SinkStep(
            fitted.step, topic: target.topic, keyFormat: target.keyFormat, valueFormat: target.valueFormat,
            timestamp: nil)
        let planned = fitted.adding([target.name], .sink(step))
        return PlannedQuery(
            plan: finished(planned, .insertInto, sinkName: target.name), isTable: input.isTable,
            columns: columns(fitted.schema),
            keyFormat: target.keyFormat, window: target.window, valueFormat: target.valueFormat, topic: target.topic,
            timestamp: nil)
    }

    /// Whether a column takes values of a type: its own, and decimals that have no more digits on either side.
    private static func takes(_ column: SQLType, _ type: SQLType) -> Bool {
        guard case .decimal(let precision, let scale) = column,
            case .decimal(let otherPrecision, let otherScale) = type
        else { return column == type }
        return scale >= otherScale && precision - scale >= otherPrecision - otherScale
    }

    /// The rows with the columns' types, so that all records of a topic are written in the same ones.
    private func fitted(_ input: PlannedStep, to columns: [SQLColumn]) -> PlannedStep {
        var schema = input.schema
        var expressions = schema.columns.indices.map { TypedExpression(.column($0), schema.columns[$0].type) }
        for (index, column) in zip(schema.columns.indices, columns) {
            expressions[index] = expressions[index].cast(to: column.type)
            schema.columns[index].type = column.type
        }
        guard schema != input.schema else { return input }
        return input.adding(["Fit"], .select(SelectStep(input.step, expressions: expressions)), schema: schema)
    }

    private func newOutput(
        _ input: PlannedStep, _ name: String, _ properties: WithProperties
    ) throws(PlanError) -> PlannedQuery {
        let result = columns(input.schema)
        let keyInfo = try sinkKeyFormat(name, properties, hasKey: input.schema.keyCount > 0)
        let valueInfo = try inherited(
            properties.valueFormat, analysis.from.source.valueFormat.info, properties.valueSettings)
        let keyFormat = SerdeFormat(
            keyInfo, features: FormatRules.keyFeatures(keyInfo.format, columnCount: input.schema.keyCount))
        let values = result.filter { $0.role == .value }
        let valueFormat = SerdeFormat(
            valueInfo,
            features: try FormatRules.valueFeatures(
                valueInfo.format, columnCount: values.count, wrapping: properties.wrapsSingleValue,
                configuration: configuration))
        let topic = properties.topic ?? configuration.outputTopicPrefix + name
        if FormatRules.trimmed(topic).isEmpty { throw PlanError("Must have non-empty topic name.") }
        let timestamp = properties.timestamp
        if let timestamp { try TimestampRules.check(timestamp, result) }
        try checkDuplicates(result)
        let keys = result.filter { $0.role == .key }
        try FormatRules.checkKey(keys)
        let step = SinkStep(
            input.step, topic: topic, keyFormat: keyFormat, valueFormat: valueFormat, timestamp: timestamp)
        let planned = input.adding([name], .sink(step))
        return PlannedQuery(
            plan: finished(planned, .createAs, sinkName: name), isTable: input.isTable, columns: result,
            keyFormat: keyFormat, window: input.schema.window, valueFormat: valueFormat, topic: topic,
            timestamp: timestamp)
    }

    private func sinkKeyFormat(
        _ name: String, _ properties: WithProperties, hasKey: Bool
    ) throws(PlanError) -> FormatInfo {
        let own = analysis.from.source.keyFormat.info
        let isNull =
            analysis.partitionBy?.contains { if case .literal(.null) = $0.kind { true } else { false } } ?? false
        if isNull {
            if let format = properties.keyFormat, format.uppercased() != SQLFormat.none.rawValue {
                throw PlanError("Key format specified for stream without key columns.")
            }
            return FormatInfo(.none)
        }
        let info = try inherited(properties.keyFormat, own) { format throws(PlanError) in
            try properties.keySettings(format, source: name)
        }
        // What gains a key from a source without one has the default format.
        if properties.keyFormat == nil, info.format == .none, hasKey { return try defaultKeyFormat() }
        return info
    }

    /// The format of the sink: what the statement says, else that of the source with the settings that are passed on.
    private func inherited(
        _ format: String?, _ source: FormatInfo, _ settings: (String) throws(PlanError) -> [String: String]
    ) throws(PlanError) -> FormatInfo {
        let name = format ?? source.format.rawValue
        guard let known = SQLFormat(name: name) else { throw PlanError("Unknown format: \(name.uppercased())") }
        var properties: [String: String] = [:]
        if known == source.format {
            var names = known.inheritableProperties
            if known == .protobuf { names.insert(FormatInfo.fullSchemaNameProperty) }
            properties = source.properties.filter { names.contains($0.key) }
        }
        properties.merge(try settings(name)) { _, new in new }
        return try FormatRules.info(name, properties)
    }

    private func checkDuplicates(_ columns: [SQLColumn]) throws(PlanError) {
        var values: Set<String> = []
        let keys = Set(columns.filter { $0.role == .key }.map(\.name))
        for column in columns where column.role == .value {
            guard values.insert(column.name).inserted, !keys.contains(column.name) else {
                throw PlanError("Duplicate value columns found in schema: \(column)")
            }
        }
        var seen: Set<String> = []
        for column in columns where column.role == .key {
            guard seen.insert(column.name).inserted else {
                throw PlanError("Duplicate key columns found in schema: \(column)")
            }
        }
    }

    private func finished(_ planned: PlannedStep, _ kind: PhysicalPlan.Kind, sinkName: String?) -> PhysicalPlan {
        var names: [String] = []
        for source in analysis.sources where !names.contains(source.source.name) { names.append(source.source.name) }
        return PhysicalPlan(
            id: "", kind: kind, sinkName: sinkName, sourceNames: names,
            root: planned.step.pruned().withNumberedStores(),
            limit: analysis.limit.map(Int.init))
    }
}

/// TIMESTAMP of WITH.
enum TimestampRules {
    static func check(_ timestamp: TimestampColumn, _ columns: [SQLColumn]) throws(PlanError) {
        guard let column = columns.first(where: { $0.name == timestamp.column }) else {
            let names = columns.map(\.name)
            throw PlanError(
                .unknownColumn,
                "The TIMESTAMP column set in the WITH clause does not exist in the schema: '\(timestamp.column)'"
                    + ExpressionBinder.hint(timestamp.column, names))
        }
        let name = SQLIdentifier.quoted(column.name)
        switch (column.type, timestamp.format) {
        case (.string, .some), (.bigint, nil), (.timestamp, nil): break
        case (.string, nil):
            throw PlanError(
                "A String timestamp field has been specified without also specifying the timestamp_format")
        case (.bigint, .some), (.timestamp, .some):
            throw PlanError(
                "'timestamp_format' set in the WITH clause can only be used when the timestamp column is of type STRING."
            )
        default:
            throw PlanError(
                .type,
                "Timestamp column, \(name), should be LONG(INT64), TIMESTAMP, or a String with a timestamp_format specified"
            )
        }
    }
}
