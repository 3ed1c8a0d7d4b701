/// The transforms of a connector in their order, each with the predicate that decides whether it applies.
package struct TransformChain: Sendable {
    private struct Step: Sendable {
        var transform: any Transformation
        var predicate: (any RecordPredicate)?
        var isNegated: Bool
    }

    private let steps: [Step]

    /// Without transforms.
    package init() { steps = [] }

    /// - Parameter properties: a connector's configuration: `transforms`, `transforms.NAME.type` and so on,
    ///   `predicates` likewise.
    /// - Throws: `.config` in Connect's words for the first thing that is wrong.
    package init(_ properties: [String: String]) throws(ConnectError) {
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
            let transform = try plugin.make(Self.values(plugin.definition, prefix, properties))
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
            steps.append(Step(transform: transform, predicate: predicate, isNegated: isNegated))
        }
        self.steps = steps
    }

    package var isEmpty: Bool { steps.isEmpty }

    /// - Returns: nil when a transform dropped the record.
    /// - Throws: what a transform or predicate failed with.
    package func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        var current = record
        for step in steps {
            if let predicate = step.predicate, try predicate.test(current) == step.isNegated { continue }
            guard let next = try step.transform.apply(current) else { return nil }
            current = next
        }
        return current
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
        var own: [String: String] = [:]
        for (name, value) in properties where name.hasPrefix(prefix) {
            own[String(name.dropFirst(prefix.count))] = value
        }
        return try definition.parse(own)
    }
}
