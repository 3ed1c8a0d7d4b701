extension TransformChain {
    /// What transforms and predicates refuse when they are made, each at the option that the words name, else at the type.
    /// Those with options that are wrong one by one are passed over: their definitions tell these.
    package static func problems(_ properties: [String: String]) -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        // Names that stand twice are told with their own option.
        for name in (try? names("transforms", properties)) ?? [] {
            let prefix = "transforms.\(name)."
            guard let plugin = properties[prefix + "type"].flatMap({ TransformPlugins.transform($0.trimmed) }) else {
                continue
            }
            let problem = problem(prefix, plugin.definition, properties) { (values) throws(ConnectError) in
                _ = try plugin.make(values) { 0 }
            }
            if let problem { problems.append(problem) }
        }
        for name in (try? names("predicates", properties)) ?? [] {
            let prefix = "predicates.\(name)."
            guard let plugin = properties[prefix + "type"].flatMap({ TransformPlugins.predicate($0.trimmed) }) else {
                continue
            }
            let problem = problem(prefix, plugin.definition, properties) { (values) throws(ConnectError) in
                _ = try plugin.make(values)
            }
            if let problem { problems.append(problem) }
        }
        return problems
    }

    private static func problem(
        _ prefix: String, _ definition: ConfigDef, _ properties: [String: String],
        _ make: (ConfigValues) throws(ConnectError) -> Void
    ) -> ConfigProblem? {
        let own = own(prefix, properties)
        guard definition.validate(own).allSatisfy(\.errors.isEmpty) else { return nil }
        do throws(ConnectError) {
            try make(try definition.parse(own))
            return nil
        } catch {
            let option = option(in: error.message, definition)
            // That one option lacks another is for the task to tell, as in the original.
            if let option, own[option] == nil { return nil }
            return ConfigProblem(prefix + (option ?? "type"), error.message)
        }
    }

    /// The longest name that a refusal quotes or gives as the configuration's.
    private static func option(in message: String, _ definition: ConfigDef) -> String? {
        definition.names.filter { name in
            message.hasPrefix(name + " ") || message.contains("'\(name)'") || message.contains("\"\(name)\"")
                || message.contains("for configuration \(name)")
        }.max { $0.count < $1.count }
    }
}
