/// What `io.debezium.transforms.Filter` and `ContentBasedRouter` have in common: an expression, and which records it is
/// asked about. The language of every engine is `RecordExpression`, what filters use of Groovy.
private struct ExpressionScope: Sendable {
    enum NullHandling: String, Sendable { case keep, drop, evaluate }

    let expression: RecordExpression
    let topics: JavaRegex?
    let nulls: NullHandling

    init(_ values: ConfigValues, _ option: String) throws(ConnectError) {
        let text = values.string(option) ?? ""
        do throws(ConnectError) { expression = try RecordExpression(text) } catch {
            throw .config(option, text, error.message)
        }
        topics = values.text("topic.regex") == nil ? nil : try JavaRegex(values, "topic.regex")
        nulls = NullHandling(rawValue: values.string("null.handling.mode")?.lowercased() ?? "keep") ?? .keep
    }

    static func define(_ definition: inout ConfigDef) {
        definition.define(
            "language", .string, .value(.string("jsr223.groovy")), nil, .low, "Taken for compatibility, without effect."
        )
        definition.define(
            "null.handling.mode", .string, .value(.string("keep")),
            .oneOf(["keep", "drop", "evaluate"], ignoresCase: true), .medium,
            "What becomes of tombstones: kept, dropped or asked about.")
        definition.define(
            "topic.regex", .string, .null, nil, .low, "An expression that topics have to match to be asked about.")
    }
}

/// `io.debezium.transforms.Filter`: keeps the records for which an expression is true.
struct ExpressionFilter: Transformation {
    private let scope: ExpressionScope

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("condition", .string, .required, .notEmpty, .high, "True for the records to keep.")
        ExpressionScope.define(&definition)
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) { scope = try ExpressionScope(values, "condition") }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        if let topics = scope.topics, try !topics.matches(record.topic) { return record }
        if record.value.value.isNull, scope.nulls != .evaluate { return scope.nulls == .keep ? record : nil }
        return try scope.expression.isTrue(record) ? record : nil
    }
}

/// `io.debezium.transforms.ContentBasedRouter`: the topic that an expression names, or the same where it is null.
struct ContentBasedRouter: Transformation {
    private let scope: ExpressionScope

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("topic.expression", .string, .required, .notEmpty, .high, "The topic's name, or null.")
        ExpressionScope.define(&definition)
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) { scope = try ExpressionScope(values, "topic.expression") }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        if let topics = scope.topics, try !topics.matches(record.topic) { return record }
        if record.value.value.isNull, scope.nulls != .evaluate { return scope.nulls == .keep ? record : nil }
        guard case .string(let topic) = try scope.expression.value(record), !topic.isEmpty else { return record }
        var record = record
        record.topic = topic
        return record
    }
}
