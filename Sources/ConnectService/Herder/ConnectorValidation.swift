import Bytes
import ConnectCore
import JSONFormat

/// All that is wrong with a connector's configuration, as `validate` shows it and creation refuses it.
struct ConnectorValidation: Sendable {
    var findings: [ConfigFinding]
    var groups: [String]
    var className: String
    /// What the configuration has that nothing reads, in words.
    let unknown: [String]

    var errorCount: Int { findings.reduce(0) { $0 + $1.errors.count } }
    var json: JSONValue { ConfigDef.validation(className, groups: groups, findings) }
    var refusal: String? { ConfigDef.refusal(findings) }

    /// - Parameters:
    ///   - raw: as it was given; what is shown.
    ///   - resolved: with the values of providers.
    ///   - isChecked: whether the plugin is asked, too, which may reach out to servers.
    init(
        _ raw: [String: String], _ resolved: [String: String], _ plugin: any ConnectorPlugin,
        _ settings: WorkerSettings
    ) async {
        let role: ConnectorConfig.Role = plugin is any SinkPlugin ? .sink : .source
        let base = ConnectorConfig.definition(role, resolved, version: plugin.version)
        className = raw["connector.class"] ?? plugin.classNames.first ?? ""
        unknown = UnknownOptions.words(role, resolved, plugin, base, settings)
        findings = base.validate(resolved)
        groups = base.groups
        let ownProblems =
            role == .sink ? Self.sinkProblems(resolved, settings) : Self.sourceProblems(resolved, plugin, settings)
        for problem in ownProblems + HostedFormats.problems(role, resolved) { add(problem, resolved) }
        let own = plugin.definition.validate(plugin.modernized(resolved))
        for group in plugin.definition.groups where !groups.contains(group) { groups.append(group) }
        findings += own
        addConverters(resolved, settings)
        for problem in TransformChain.problems(resolved) { add(problem, resolved) }
        for problem in ClientOverrides.problems(resolved, plugin, settings) { add(problem, resolved) }
        // Servers are asked only about a configuration that is right in itself.
        if errorCount == 0 {
            for problem in await plugin.problems(with: resolved) { add(problem, resolved) }
        }
        hideSecrets(plugin.modernized(raw), plugin.modernized(resolved))
    }

    /// The options of converters that the connector names itself.
    private mutating func addConverters(_ properties: [String: String], _ settings: WorkerSettings) {
        for option in ["key.converter", "value.converter"] {
            guard let name = properties[option], let definition = ConverterOptions.definition(name) else { continue }
            let prefix = option + "."
            var given = ["converter.type": String(option.prefix { $0 != "." })]
            // The registry of this process, where there is one, is that of converters that name none.
            // The user of its address is nobody's business, and findings show values.
            given["schema.registry.url"] = settings.registryURL.flatMap { HTTPAddress($0) }?.base
            for (name, value) in properties where name.hasPrefix(prefix) {
                given[String(name.dropFirst(prefix.count))] = value
            }
            for group in definition.groups where !groups.contains(group) { groups.append(group) }
            findings += definition.validate(given).map { finding in
                var finding = finding
                finding.option.name = prefix + finding.option.name
                return finding
            }
        }
    }

    private mutating func add(_ problem: ConfigProblem, _ properties: [String: String]) {
        if let place = findings.firstIndex(where: { $0.option.name == problem.option }) {
            if !findings[place].errors.contains(problem.message) { findings[place].errors.append(problem.message) }
        } else {
            var unknown = ConfigFinding(option: Self.option(problem.option))
            unknown.value = properties[problem.option].map { .string($0) } ?? .null
            unknown.errors = [problem.message]
            findings.append(unknown)
        }
    }

    /// What providers gave is shown as the placeholder that asked for it.
    private mutating func hideSecrets(_ raw: [String: String], _ resolved: [String: String]) {
        for index in findings.indices {
            let name = findings[index].option.name
            guard let given = raw[name], let value = resolved[name], given != value else { continue }
            if case .password = findings[index].value {} else { findings[index].value = .string(given) }
        }
        for (name, given) in raw {
            guard let value = resolved[name], given != value, !value.isEmpty else { continue }
            for index in findings.indices {
                findings[index].errors = findings[index].errors.map { $0.replacing(value, with: given) }
            }
        }
    }

    private static func option(_ name: String) -> ConfigDef.Option {
        var definition = ConfigDef()
        definition.define(name, .string, .null)
        return definition.options[0]
    }

    private static func sinkProblems(_ properties: [String: String], _ settings: WorkerSettings) -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        let topics = (properties["topics"] ?? "").split(separator: ",").map { $0.filter { $0 != " " } }.filter {
            !$0.isEmpty
        }
        let pattern = properties["topics.regex"] ?? ""
        switch (topics.isEmpty, pattern.isEmpty) {
        case (false, false):
            let message = "topics and topics.regex are mutually exclusive options, but both are set."
            problems.append(ConfigProblem("topics", message))
            problems.append(ConfigProblem("topics.regex", message))
        case (true, true):
            let message = "Must configure one of topics or topics.regex"
            problems.append(ConfigProblem("topics", message))
            problems.append(ConfigProblem("topics.regex", message))
        default: break
        }
        let letters = properties["errors.deadletterqueue.topic.name"] ?? ""
        if !letters.isEmpty {
            if topics.contains(letters) {
                problems.append(
                    ConfigProblem(
                        "topics",
                        "The DLQ topic '\(letters)' may not be included in the list of topics ('topics=["
                            + "\(topics.joined(separator: ", "))]') consumed by the connector"
                    ))
            } else if !pattern.isEmpty, let expression = try? JavaRegex(pattern),
                (try? expression.matches(letters)) ?? false
            {
                problems.append(
                    ConfigProblem(
                        "topics.regex",
                        "The DLQ topic '\(letters)' may not be matched by the regex for the topics ('topics.regex="
                            + "\(pattern)') consumed by the connector"
                    ))
            }
        }
        if let name = properties["name"], SinkTaskRun.group(name, properties, settings) == settings.groupId {
            problems.append(
                ConfigProblem(
                    "name",
                    "Consumer group for sink connector named \(name) conflicts with Connect worker group "
                        + settings.groupId
                ))
        }
        return problems
    }

    private static func sourceProblems(
        _ properties: [String: String], _ plugin: any ConnectorPlugin, _ settings: WorkerSettings
    ) -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        do throws(ConnectError) { _ = try TopicCreation(properties) } catch {
            problems.append(ConfigProblem("topic.creation.groups", error.message))
        }
        if let problem = boundaryProblem(properties, plugin) { problems.append(problem) }
        guard properties["exactly.once.support"]?.lowercased() == "required" else { return problems }
        if settings.exactlyOnce != .enabled {
            problems.append(
                ConfigProblem("exactly.once.support", "This worker does not have exactly-once source support enabled."))
        } else if let source = plugin as? any SourcePlugin, !source.supportsExactlyOnce(properties) {
            problems.append(
                ConfigProblem(
                    "exactly.once.support",
                    "The connector does not support exactly-once semantics with the provided configuration."))
        }
        return problems
    }

    /// A transaction that nobody ends would hide its records, and what others write to their topic, for ever.
    static func boundaryProblem(_ properties: [String: String], _ plugin: any ConnectorPlugin) -> ConfigProblem? {
        guard properties["transaction.boundary"].map({ ConnectAPI.trimmed($0).lowercased() }) == "connector",
            let source = plugin as? any SourcePlugin, !source.definesBoundaries(properties)
        else { return nil }
        return ConfigProblem(
            "transaction.boundary",
            "The connector does not support connector-defined transaction boundaries with the given configuration. "
                + "Please reconfigure it to use a different transaction boundary definition.")
    }
}
