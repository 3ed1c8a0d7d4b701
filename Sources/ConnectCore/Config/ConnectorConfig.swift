/// The options that every connector has: Connect's `SourceConnectorConfig` and `SinkConnectorConfig`, with those of the
/// transforms and predicates that a configuration names.
package enum ConnectorConfig {
    package enum Role: Sendable { case source, sink }

    private static let common = "Common"
    private static let errors = "Error Handling"

    /// - Parameters:
    ///   - properties: decides which transforms and predicates have options.
    ///   - version: of this program's plugins, for the options that ask for one.
    package static func definition(_ role: Role, _ properties: [String: String], version: String) -> ConfigDef {
        var definition = base(role, properties, version: version)
        let transforms = names("transforms", properties)
        let predicates = names("predicates", properties)
        for name in transforms {
            let prefix = "transforms.\(name)."
            let plugin = properties[prefix + "type"].flatMap { TransformPlugins.transform($0.trimmed) }
            var own = plugin?.definition ?? ConfigDef()
            if plugin != nil {
                own.define(
                    "negate", .boolean, .value(.boolean(false)), nil, .medium, "Whether the predicate is turned round.")
                own.define(
                    "predicate", .string, .null, defined(predicates, prefix), .medium, "The predicate that has to hold."
                )
            }
            let isTurned = properties[prefix + "negate"] != nil && properties[prefix + "predicate"] == nil
            let isNamed = ConfigValidator.knownClass { TransformPlugins.transform($0) != nil }
            embed(
                own, prefix, "Transforms: \(name)", "Transformation", name, plugin?.className, version,
                TransformPlugins.transforms.map(\.className),
                ConfigValidator { (name, value) throws(ConnectError) in
                    try isNamed.check(name, value)
                    guard isTurned else { return }
                    throw .config(
                        "Config '\(prefix)negate' was provided but there is no config '\(prefix)predicate' defining a "
                            + "predicate to be negated.")
                }, &definition)
        }
        for name in predicates {
            let prefix = "predicates.\(name)."
            let plugin = properties[prefix + "type"].flatMap { TransformPlugins.predicate($0.trimmed) }
            embed(
                plugin?.definition ?? ConfigDef(), prefix, "Predicates: \(name)", "Predicate", name,
                plugin?.className, version, TransformPlugins.predicates.map(\.className),
                .knownClass { TransformPlugins.predicate($0) != nil }, &definition)
        }
        return definition
    }

    /// That a name stands twice is reported with the option itself.
    private static func names(_ option: String, _ properties: [String: String]) -> [String] {
        guard case .list(let all) = try? ConfigItem.parse(properties[option] ?? "", .list, option) else { return [] }
        var names: [String] = []
        for name in all where !names.contains(name) { names.append(name) }
        return names
    }

    private static func defined(_ names: [String], _ prefix: String) -> ConfigValidator {
        ConfigValidator { (name, value) throws(ConnectError) in
            guard let text = value.text, !names.contains(text) else { return }
            throw .config(prefix + name, text, "Predicate '\(text)' is not defined")
        }
    }

    private static func embed(
        _ own: ConfigDef, _ prefix: String, _ group: String, _ word: String, _ name: String, _ className: String?,
        _ available: String, _ classes: [String], _ validator: ConfigValidator, _ definition: inout ConfigDef
    ) {
        let version = className.map { _ in available }
        let sorted = classes.sorted()
        definition.define(
            prefix + "type", .className, .required, validator, .high,
            "Class of the \(word.lowercased()) '\(name)'.", group: group, order: 0, width: .long,
            displayName: "\(word) type for \(name)",
            recommender: .init(values: { _, _ in sorted.map { .string($0) } }))
        definition.define(
            prefix + "plugin.version", .string, version.map { .value(.string($0)) } ?? .null,
            PluginVersion.validator(className, available: available), .high,
            "Version of the \(word.lowercased()) '\(name)'.", group: group, order: 1, width: .long,
            displayName: "\(word) version for \(name)",
            recommender: .init(values: { _, _ in version.map { [.string($0)] } ?? [] }))
        var ordered = ConfigDef()
        // What has to be given, what is important, and by the name: Kafka's order.
        func rank(_ option: ConfigDef.Option) -> (Int, Int, String) {
            let importance = option.importance == .high ? 0 : option.importance == .medium ? 1 : 2
            return (option.defaultValue == .required ? 0 : 1, importance, option.name)
        }
        for option in own.options.sorted(by: { rank($0) < rank($1) }) {
            ordered.define(
                option.name, option.kind, option.defaultValue, option.validator, option.importance,
                option.documentation, width: option.width, displayName: option.displayName,
                dependents: option.dependents, recommender: option.recommender, isInternal: option.isInternal)
        }
        definition.embed(ordered, prefix: prefix, group: group, firstOrder: 2)
    }

    private static func base(_ role: Role, _ properties: [String: String], version: String) -> ConfigDef {
        var definition = ConfigDef()
        let versions = ConfigDef.Recommender(values: { _, _ in [.string(version)] })
        definition.define(
            "name", .string, .required, .printable, .high, "The connector's name, one of its kind in the cluster.",
            group: common, order: 1, width: .medium, displayName: "Connector name")
        definition.define(
            "connector.class", .string, .required, nil, .high,
            "The connector's class: in full, or its last part with or without `Connector` at the end.", group: common,
            order: 2, width: .long, displayName: "Connector class")
        definition.define(
            "connector.plugin.version", .string, .value(.string(version)),
            PluginVersion.validator(properties["connector.class"] ?? "", available: version), .medium,
            "The connector's version, or a range of versions.",
            group: common, order: 3, width: .medium, displayName: "Connector version", recommender: versions)
        definition.define(
            "tasks.max", .int, .value(.integer(1)), .atLeast(1), .high, "The most tasks that the connector may have.",
            group: common, order: 4, width: .short, displayName: "Tasks max")
        definition.define(
            "tasks.max.enforce", .boolean, .value(.boolean(true)), nil, .low,
            "Whether a connector that makes more tasks fails.", group: common, order: 5, width: .short,
            displayName: "Enforce tasks max")
        var order = 6
        for (option, title, fallback, known) in [
            ("key.converter", "Key converter", ConverterPlugins.json, ConverterPlugins.names),
            ("value.converter", "Value converter", ConverterPlugins.json, ConverterPlugins.names),
            ("header.converter", "Header converter", ConverterPlugins.simpleHeader, ConverterPlugins.headerNames),
        ] {
            definition.define(
                option, .className, .value(.string(fallback)),
                .knownClass { ConverterPlugins.isKnown($0, among: known) },
                .low, "The format in topics. Without it the worker's.", group: common, order: order, width: .short,
                displayName: title + " class", recommender: .init(values: { _, _ in known.map { .string($0) } }))
            let given = properties[option]?.trimmed
            let isThere = given.map { ConverterPlugins.isKnown($0, among: known) } ?? true
            definition.define(
                option + ".plugin.version", .string, isThere ? .value(.string(version)) : .null,
                PluginVersion.validator(isThere ? given ?? fallback : nil, available: version), .low,
                "Version of the converter.", group: common, order: order + 1, width: .short,
                displayName: title + " version",
                recommender: .init(
                    values: { _, _ in isThere ? [.string(version)] : [] }, isVisible: { _, _ in isThere }))
            order += 2
        }
        definition.define(
            "transforms", .list, .value(.list([])), .uniqueNames, .low, "Names of the transforms, in their order.",
            group: "Transforms", order: 12, width: .long, displayName: "Transforms")
        definition.define(
            "predicates", .list, .value(.list([])), .uniqueNames, .low, "Names of the predicates of transforms.",
            group: "Predicates", order: 13, width: .long, displayName: "Predicates")
        definition.define(
            "config.action.reload", .string, .value(.string("restart")), .oneOf(["none", "restart"]), .low,
            "Without effect: providers read values when connectors start, and tell of no changes. none, or restart.",
            group: common, order: 14,
            width: .medium,
            displayName: "Reload Action")
        addErrorOptions(&definition)
        switch role {
        case .source: addSourceOptions(&definition)
        case .sink: addSinkOptions(&definition)
        }
        return definition
    }

    private static func addErrorOptions(_ definition: inout ConfigDef) {
        definition.define(
            "errors.retry.timeout", .long, .value(.integer(0)), nil, .medium,
            "How long a failed operation is tried again, in milliseconds; -1 for ever.", group: errors, order: 1,
            width: .medium, displayName: "Retry Timeout for Errors")
        definition.define(
            "errors.retry.delay.max.ms", .long, .value(.integer(60_000)), nil, .medium,
            "The longest pause between tries, in milliseconds.", group: errors, order: 2, width: .medium,
            displayName: "Maximum Delay Between Retries for Errors")
        definition.define(
            "errors.tolerance", .string, .value(.string("none")), .oneOf(["none", "all"]), .medium,
            "none: a record that fails ends the task; all: it is skipped.", group: errors, order: 3, width: .short,
            displayName: "Error Tolerance")
        definition.define(
            "errors.log.enable", .boolean, .value(.boolean(false)), nil, .medium, "Whether failures are logged.",
            group: errors, order: 4, width: .short, displayName: "Log Errors")
        definition.define(
            "errors.log.include.messages", .boolean, .value(.boolean(false)), nil, .medium,
            "Whether the log has the record, too: all of a source's, the place of a sink's.",
            group: errors, order: 5, width: .short,
            displayName: "Log Error Details")
    }

    private static func addSourceOptions(_ definition: inout ConfigDef) {
        definition.define(
            "topic.creation.groups", .list, .value(.list([])), .uniqueNames, .low,
            "Names of groups of topics that are made with settings of their own.", group: "Topic Creation", order: 1,
            width: .long, displayName: "Topic Creation Groups")
        let exactly = "Exactly Once Support"
        definition.define(
            "exactly.once.support", .string, .value(.string("requested")),
            .oneOf(["REQUIRED", "REQUESTED"], ignoresCase: true), .medium,
            "required: the connector must not start without exactly-once delivery.", group: exactly, order: 2,
            width: .short, displayName: "Exactly once support")
        definition.define(
            "transaction.boundary", .string, .value(.string("poll")),
            .oneOf(["INTERVAL", "POLL", "CONNECTOR"], ignoresCase: true), .medium,
            "Where transactions end: with each poll, after a time, or where the connector says.", group: exactly,
            order: 3, width: .short, displayName: "Transaction Boundary")
        definition.define(
            "transaction.boundary.interval.ms", .long, .null,
            ConfigValidator { (name, value) throws(ConnectError) in
                if value != .null { try ConfigValidator.atLeast(0).check(name, value) }
            }, .low, "The time after which they end, in milliseconds.", group: exactly, order: 4, width: .short,
            displayName: "Transaction boundary interval")
        definition.define(
            "offsets.storage.topic", .string, .null, .notEmpty, .low, "A topic of its own for the connector's offsets.",
            group: "offsets.topic", order: 1, width: .long, displayName: "Offsets topic")
    }

    private static func addSinkOptions(_ definition: inout ConfigDef) {
        definition.define(
            "topics", .list, .value(.list([])), .distinctNames, .high, "The topics to read.", group: common, order: 4,
            width: .long, displayName: "Topics")
        definition.define(
            "topics.regex", .string, .value(.string("")), .regex, .high, "An expression for the topics to read.",
            group: common, order: 4, width: .long, displayName: "Topics regex")
        definition.define(
            "errors.deadletterqueue.topic.name", .string, .value(.string("")), nil, .medium,
            "The topic for records that failed.", group: errors, order: 6, width: .medium,
            displayName: "Dead Letter Queue Topic Name")
        definition.define(
            "errors.deadletterqueue.topic.replication.factor", .short, .value(.integer(3)), nil, .medium,
            "Its replicas when it is made.", group: errors, order: 7, width: .medium,
            displayName: "Dead Letter Queue Topic Replication Factor")
        definition.define(
            "errors.deadletterqueue.context.headers.enable", .boolean, .value(.boolean(false)), nil, .medium,
            "Whether headers say why a record failed.", group: errors, order: 8, width: .medium,
            displayName: "Enable Error Context Headers")
    }
}

extension ConfigValidator {
    /// The name of a plugin that there is.
    static func knownClass(_ isKnown: @escaping @Sendable (String) -> Bool) -> Self {
        Self { (name, value) throws(ConnectError) in
            guard let text = value.text, !isKnown(text) else { return }
            // Those for keys and for values are two classes, and what they have in common is none that can be made.
            let parts = [text + "$Key", text + "$Value"].filter(isKnown)
            if !parts.isEmpty {
                throw .config(
                    "This class is abstract and cannot be created. Did you mean \(parts.joined(separator: ", "))?")
            }
            throw .config(
                name, text,
                "Class \(text) could not be found." + (ConverterPlugins.advice(text).map { " " + $0 } ?? ""))
        }
    }
}
