/// The transforms of a connector in their order, each with the predicate that decides whether it applies.
package struct TransformChain: Sendable {
    /// What a configuration says of a transform.
    package struct Stage: Sendable {
        package var name: String
        /// Of the plugin, in full.
        package var className: String
        /// By their names without prefix.
        package var options: [String: String]
    }

    private struct Step: Sendable {
        var stage: Stage
        var transform: any Transformation
        var predicate: (any RecordPredicate)?
        var isNegated: Bool
    }

    private let steps: [Step]

    /// Without transforms.
    package init() { steps = [] }

    /// - Parameter properties: a connector's configuration: `transforms`, `transforms.NAME.type` and so on,
    ///   `predicates` likewise.
    /// - Parameter clock: the time for transforms that write it into records. Without one, where only the form of records
    ///   is of interest, it is always 1970.
    /// - Throws: `.config` in Connect's words for the first thing that is wrong.
    package init(
        _ properties: [String: String], clock: @escaping TransformClock = { 0 }
    ) throws(ConnectError) {
        let names = try Self.names("transforms", properties)
        guard !names.isEmpty else {
            steps = []
            return
        }
        var predicates: [String: any RecordPredicate] = [:]
        for name in try Self.names("predicates", properties) {
            let prefix = "predicates.\(name)."
            let plugin = try Self.plugin(prefix, properties, "Not a Predicate", TransformPlugins.predicate)
            predicates[name] = try plugin.make(Self.values(plugin.definition, prefix, properties))
        }
        var steps: [Step] = []
        for name in names {
            let prefix = "transforms.\(name)."
            let plugin = try Self.plugin(prefix, properties, "Not a Transformation", TransformPlugins.transform)
            let transform = try plugin.make(Self.values(plugin.definition, prefix, properties), clock)
            let isNegated =
                try properties[prefix + "negate"].map { text throws(ConnectError) in
                    try ConfigItem.parse(text, .boolean, prefix + "negate") == .boolean(true)
                } ?? false
            var predicate: (any RecordPredicate)?
            if let wanted = properties[prefix + "predicate"] {
                guard let known = predicates[wanted] else {
                    throw .config(prefix + "predicate", wanted, "Predicate '\(wanted)' is not defined")
                }
                predicate = known
            } else if isNegated {
                throw .config(
                    prefix + "negate", "true",
                    "there is no config '\(prefix)predicate' defining a predicate to be negated")
            }
            let stage = Stage(name: name, className: plugin.className, options: Self.own(prefix, properties))
            steps.append(Step(stage: stage, transform: transform, predicate: predicate, isNegated: isNegated))
        }
        self.steps = steps
    }

    package var isEmpty: Bool { steps.isEmpty }

    /// - Returns: nil when a transform dropped the record.
    /// - Throws: what a transform or predicate failed with.
    package func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        var current = record
        for step in steps {
            guard let next = try Self.apply(step, current) else { return nil }
            current = next
        }
        return current
    }

    @inline(__always)
    private static func apply(_ step: Step, _ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        if let predicate = step.predicate, try predicate.test(record) == step.isNegated { return record }
        return try step.transform.apply(record)
    }

    /// Whether records may come out far larger than they went in.
    package var expands: Bool { steps.contains { $0.transform is GzipDecompress } }

    /// The transforms, in their order.
    package var stages: [Stage] { steps.map(\.stage) }

    /// One transform alone.
    ///
    /// - Parameter index: of `stages`.
    package func apply(stage index: Int, _ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        try Self.apply(steps[index], record)
    }

    /// The class of the transform at which a record fails, which dead letters name. Transforms have no state: the record
    /// goes the same way again.
    package func failingClass(_ record: ConnectRecord) -> String {
        var current = record
        for step in steps {
            do throws(ConnectError) {
                guard let next = try Self.apply(step, current) else { break }
                current = next
            } catch {
                return step.stage.className
            }
        }
        return "org.apache.kafka.connect.transforms.Transformation"
    }

    // MARK: configuration

    static func names(_ option: String, _ properties: [String: String]) throws(ConnectError) -> [String] {
        let item = try ConfigItem.parse(properties[option] ?? "", .list, option)
        try ConfigValidator.uniqueNames.check(option, item)
        guard case .list(let names) = item else { return [] }
        return names
    }

    private static func plugin<Plugin>(
        _ prefix: String, _ properties: [String: String], _ kind: String, _ find: (String) -> Plugin?
    ) throws(ConnectError) -> Plugin {
        guard let type = properties[prefix + "type"]?.trimmed, !type.isEmpty else {
            throw .config(prefix + "type", nil, kind)
        }
        guard let plugin = find(type) else {
            throw .config(prefix + "type", type, "Class \(type) could not be found.")
        }
        return plugin
    }

    /// The part of a configuration behind a prefix; messages name options with the prefix.
    private static func values(
        _ definition: ConfigDef, _ prefix: String, _ properties: [String: String]
    ) throws(ConnectError) -> ConfigValues {
        try definition.parse(own(prefix, properties))
    }

    static func own(_ prefix: String, _ properties: [String: String]) -> [String: String] {
        var own: [String: String] = [:]
        for (name, value) in properties where name.hasPrefix(prefix) {
            own[String(name.dropFirst(prefix.count))] = value
        }
        return own
    }
}
