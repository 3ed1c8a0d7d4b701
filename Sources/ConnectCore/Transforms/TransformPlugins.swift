/// A kind of transform: its class name in the original, its options, how it is made.
package struct TransformPlugin: Sendable {
    package let className: String
    package let definition: ConfigDef
    package let make: @Sendable (ConfigValues, @escaping TransformClock) throws(ConnectError) -> any Transformation
}

/// Milliseconds since 1970, for transforms that write the present into records.
package typealias TransformClock = @Sendable () -> Int64

package struct PredicatePlugin: Sendable {
    package let className: String
    package let definition: ConfigDef
    package let make: @Sendable (ConfigValues) throws(ConnectError) -> any RecordPredicate
}

/// All transforms and predicates by the names of their classes.
package enum TransformPlugins {
    private static let apache = "org.apache.kafka.connect.transforms."

    package static let transforms: [TransformPlugin] = {
        var plugins: [TransformPlugin] = []
        func add(
            _ name: String, _ definition: ConfigDef,
            _ make: @escaping @Sendable (RecordPart, ConfigValues) throws(ConnectError) -> any Transformation
        ) {
            add(timed: name, definition) { (part, values, _) throws(ConnectError) in try make(part, values) }
        }
        func add(
            timed name: String, _ definition: ConfigDef,
            _ make:
                @escaping @Sendable (RecordPart, ConfigValues, @escaping TransformClock) throws(ConnectError) ->
                any Transformation
        ) {
            for (suffix, part) in [("$Key", RecordPart.key), ("$Value", .value)] {
                plugins.append(
                    TransformPlugin(
                        className: (name.contains(".") ? name : apache + name) + suffix, definition: definition
                    ) { (values, clock) throws(ConnectError) in try make(part, values, clock) })
            }
        }
        func add(
            timedWhole name: String, _ definition: ConfigDef,
            _ make:
                @escaping @Sendable (ConfigValues, @escaping TransformClock) throws(ConnectError) ->
                any Transformation
        ) {
            plugins.append(
                TransformPlugin(
                    className: name.contains(".") ? name : apache + name, definition: definition, make: make))
        }
        func add(
            whole name: String, _ definition: ConfigDef,
            _ make: @escaping @Sendable (ConfigValues) throws(ConnectError) -> any Transformation
        ) {
            add(timedWhole: name, definition) { (values, _) throws(ConnectError) in try make(values) }
        }
        add("Cast", Cast.definition) { (part, values) throws(ConnectError) in try Cast(part, values) }
        add(whole: "DropHeaders", DropHeaders.definition) { (values) throws(ConnectError) in DropHeaders(values) }
        add("ExtractField", ExtractField.definition) { (part, values) throws(ConnectError) in
            try ExtractField(part, values)
        }
        add(whole: "Filter", Filter.definition) { (_) throws(ConnectError) in Filter() }
        add("Flatten", Flatten.definition) { (part, values) throws(ConnectError) in Flatten(part, values) }
        add("HeaderFrom", HeaderFrom.definition) { (part, values) throws(ConnectError) in try HeaderFrom(part, values) }
        add("HoistField", HoistField.definition) { (part, values) throws(ConnectError) in HoistField(part, values) }
        add("InsertField", InsertField.definition) { (part, values) throws(ConnectError) in
            try InsertField(part, values)
        }
        add(whole: "InsertHeader", InsertHeader.definition) { (values) throws(ConnectError) in InsertHeader(values) }
        add("MaskField", MaskField.definition) { (part, values) throws(ConnectError) in MaskField(part, values) }
        add(whole: "RegexRouter", RegexRouter.definition) { (values) throws(ConnectError) in try RegexRouter(values) }
        add("ReplaceField", ReplaceField.definition) { (part, values) throws(ConnectError) in
            try ReplaceField(part, values)
        }
        add("SetSchemaMetadata", SetSchemaMetadata.definition) { (part, values) throws(ConnectError) in
            try SetSchemaMetadata(part, values)
        }
        add("TimestampConverter", TimestampConverter.definition) { (part, values) throws(ConnectError) in
            try TimestampConverter(part, values)
        }
        add(whole: "TimestampRouter", TimestampRouter.definition) { (values) throws(ConnectError) in
            try TimestampRouter(values)
        }
        add(whole: "ValueToKey", ValueToKey.definition) { (values) throws(ConnectError) in ValueToKey(values) }
        let debezium = "io.debezium.transforms."
        add(whole: debezium + "ExtractNewRecordState", ExtractNewRecordState.definition) {
            (values) throws(ConnectError) in try ExtractNewRecordState(values)
        }
        add(whole: debezium + "ExtractChangedRecordState", ExtractChangedRecordState.definition) {
            (values) throws(ConnectError) in ExtractChangedRecordState(values)
        }
        add(whole: debezium + "ByLogicalTableRouter", ByLogicalTableRouter.definition) {
            (values) throws(ConnectError) in
            try ByLogicalTableRouter(values)
        }
        add(whole: debezium + "outbox.EventRouter", EventRouter.definition) { (values) throws(ConnectError) in
            try EventRouter(values)
        }
        add(whole: debezium + "Filter", ExpressionFilter.definition) { (values) throws(ConnectError) in
            try ExpressionFilter(values)
        }
        add(whole: debezium + "ContentBasedRouter", ContentBasedRouter.definition) { (values) throws(ConnectError) in
            try ContentBasedRouter(values)
        }
        add(whole: debezium + "HeaderToValue", HeaderToValue.definition) { (values) throws(ConnectError) in
            try HeaderToValue(values)
        }
        add(whole: debezium + "partitions.PartitionRouting", PartitionRouting.definition) {
            (values) throws(ConnectError) in try PartitionRouting(values)
        }
        add(timedWhole: debezium + "TimezoneConverter", TimezoneConverter.definition) {
            (values, clock) throws(ConnectError) in try TimezoneConverter(values, clock)
        }
        add(whole: debezium + "SchemaChangeEventFilter", SchemaChangeEventFilter.definition) {
            (values) throws(ConnectError) in try SchemaChangeEventFilter(values)
        }
        add(whole: debezium + "VectorToJsonConverter", VectorToJSON.definition) { (_) throws(ConnectError) in
            VectorToJSON()
        }
        add(whole: "io.debezium.connector.mysql.transforms.ReadToInsertEvent", ReadToInsertEvent.definition) {
            (_) throws(ConnectError) in ReadToInsertEvent()
        }
        add(
            whole: "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent",
            DecodeLogicalDecodingMessageContent.definition
        ) { (values) throws(ConnectError) in DecodeLogicalDecodingMessageContent(values) }
        let confluent = "io.confluent.connect.transforms."
        add(confluent + "Filter", ConditionFilter.definition) { (part, values) throws(ConnectError) in
            try ConditionFilter(part, values)
        }
        add(confluent + "Drop", DropPart.definition) { (part, values) throws(ConnectError) in DropPart(part, values) }
        add(confluent + "ExtractTopic", ExtractTopic.definition) { (part, values) throws(ConnectError) in
            try ExtractTopic(part, values)
        }
        add(whole: confluent + "MessageTimestampRouter", MessageTimestampRouter.definition) {
            (values) throws(ConnectError) in try MessageTimestampRouter(values)
        }
        add(whole: confluent + "TombstoneHandler", TombstoneHandler.definition) { (values) throws(ConnectError) in
            TombstoneHandler(values)
        }
        add(confluent + "GzipDecompress", GzipDecompress.definition) { (part, _) throws(ConnectError) in
            GzipDecompress(part: part)
        }
        add(whole: "io.confluent.connect.cloud.transforms.TopicRegexRouter", RegexRouter.definition) {
            (values) throws(ConnectError) in try RegexRouter(values)
        }
        let common = "com.github.jcustenborder.kafka.connect.transform.common."
        add(whole: common + "ChangeTopicCase", ChangeTopicCase.definition) { (values) throws(ConnectError) in
            ChangeTopicCase(values)
        }
        add(common + "ExtractTimestamp", ExtractTimestamp.definition) { (part, values) throws(ConnectError) in
            ExtractTimestamp(part, values)
        }
        add(timed: common + "TimestampNowField", TimestampNowField.definition) {
            (part, values, clock) throws(ConnectError) in TimestampNowField(part, values, clock)
        }
        add(timedWhole: common + "TimestampNow", TimestampNow.definition) { (_, clock) throws(ConnectError) in
            TimestampNow(clock: clock)
        }
        add(common + "AdjustPrecisionAndScale", DecimalBounds.definition) { (part, values) throws(ConnectError) in
            DecimalBounds(part, values)
        }
        add(common + "SetMaximumPrecision", DecimalBounds.maximumDefinition) { (part, values) throws(ConnectError) in
            DecimalBounds(maximum: part, values)
        }
        add(common + "BytesToString", BytesToString.definition) { (part, values) throws(ConnectError) in
            BytesToString(part, values)
        }
        add(common + "ChangeCase", ChangeCase.definition) { (part, values) throws(ConnectError) in
            ChangeCase(part, values)
        }
        add(common + "ExtractNestedField", ExtractNestedField.definition) { (part, values) throws(ConnectError) in
            ExtractNestedField(part, values)
        }
        add(common + "HeaderToField", HeaderToField.definition) { (part, values) throws(ConnectError) in
            try HeaderToField(part, values)
        }
        add(common + "PatternFilter", PatternFilter.definition) { (part, values) throws(ConnectError) in
            try PatternFilter(part, values)
        }
        add(common + "PatternRename", PatternRename.definition) { (part, values) throws(ConnectError) in
            try PatternRename(part, values)
        }
        add(common + "SchemaNameToTopic", SchemaNameToTopic.definition) { (part, _) throws(ConnectError) in
            SchemaNameToTopic(part: part)
        }
        add(common + "SetNull", SetNull.definition) { (part, _) throws(ConnectError) in SetNull(part: part) }
        add(common + "ToJSON", ToJSON.definition) { (part, values) throws(ConnectError) in ToJSON(part, values) }
        add(common + "ToLong", ToLong.definition) { (part, values) throws(ConnectError) in ToLong(part, values) }
        add(common + "TopicNameToField", TopicNameToField.definition) { (part, values) throws(ConnectError) in
            TopicNameToField(part, values)
        }
        let aiven = "io.aiven.kafka.connect.transforms."
        add(aiven + "CaseTransform", CaseTransform.definition) { (part, values) throws(ConnectError) in
            CaseTransform(part, values)
        }
        add(aiven + "ConcatFields", ConcatFields.definition) { (part, values) throws(ConnectError) in
            ConcatFields(part, values)
        }
        add(aiven + "ExtractTimestamp", AivenExtractTimestamp.definition) { (part, values) throws(ConnectError) in
            AivenExtractTimestamp(part, values)
        }
        add(aiven + "ExtractTopic", AivenExtractTopic.definition) { (part, values) throws(ConnectError) in
            AivenExtractTopic(part, values)
        }
        add(whole: aiven + "ExtractTopicFromSchemaName$Value", ExtractTopicFromSchemaName.definition) {
            (values) throws(ConnectError) in try ExtractTopicFromSchemaName(values)
        }
        add(aiven + "FilterByFieldValue", FilterByFieldValue.definition) { (part, values) throws(ConnectError) in
            try FilterByFieldValue(part, values)
        }
        add(aiven + "Hash", HashText.definition) { (part, values) throws(ConnectError) in HashText(part, values) }
        add(whole: aiven + "KeyToValue", KeyToValue.definition) { (values) throws(ConnectError) in
            try KeyToValue(values)
        }
        add(whole: aiven + "MakeTombstone", SetNull.definition) { (_) throws(ConnectError) in SetNull(part: .value) }
        add(whole: aiven + "TombstoneHandler", TombstoneHandler.aivenDefinition) { (values) throws(ConnectError) in
            TombstoneHandler(values)
        }
        return plugins
    }()

    package static let predicates: [PredicatePlugin] = [
        PredicatePlugin(className: apache + "predicates.HasHeaderKey", definition: HasHeaderKey.definition) {
            values throws(ConnectError) in HasHeaderKey(name: values.string("name") ?? "")
        },
        PredicatePlugin(className: apache + "predicates.RecordIsTombstone", definition: RecordIsTombstone.definition) {
            _ throws(ConnectError) in RecordIsTombstone()
        },
        PredicatePlugin(className: apache + "predicates.TopicNameMatches", definition: TopicNameMatches.definition) {
            values throws(ConnectError) in try TopicNameMatches(values)
        },
    ]

    /// What plugins were called in earlier versions.
    private static let earlierNames = [
        "io.debezium.transforms.UnwrapFromEnvelope": "io.debezium.transforms.ExtractNewRecordState"
    ]

    /// By full class name, or by its last part as the original's plugin aliases allow.
    package static func transform(_ name: String) -> TransformPlugin? {
        let name = earlierNames[name] ?? name
        return transforms.first { $0.className == name } ?? transforms.first { $0.className.hasSuffix("." + name) }
    }

    package static func predicate(_ name: String) -> PredicatePlugin? {
        predicates.first { $0.className == name || $0.className.hasSuffix("." + name) }
    }
}
