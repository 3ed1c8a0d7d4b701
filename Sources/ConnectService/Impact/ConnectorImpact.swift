import ConnectCore
import SchemaRules

/// What a candidate schema would do to one connector. Pure.
struct ConnectorImpact {
    var question: ImpactQuestion
    var name: String
    /// With the values of providers, and today's names of options.
    var properties: [String: String]
    var settings: WorkerSettings
    /// Topics that its tasks have used.
    var topics: Set<String>

    func answer(_ plugin: any ConnectorPlugin) -> ImpactAnswer {
        // Topics have their schemas in the default context.
        guard SubjectName(question.subject).context == SubjectName.defaultContext else { return ImpactAnswer() }
        var answer = ImpactAnswer()
        let isSink = plugin is any SinkPlugin
        let named = (try? HostedFormats.converters(isSink ? .sink : .source, properties)) ?? properties
        // By the strategies that name subjects after records, a subject may have both keys and values.
        for part in [RecordPart.key, .value] {
            let option = part == .key ? "key.converter" : "value.converter"
            let options = TaskConverters.options(option, named, given: properties, settings)
            guard let converter = try? RegistryConverter(option, options) else { continue }
            guard let topic = usedTopic(by: converter, part, isSink: isSink) else { continue }
            if let sink = plugin as? any SinkPlugin {
                answer.impacts += impacts(sink, converter, part, topic, options[option] ?? "")
            } else {
                answer.writers.append(writer(converter))
            }
        }
        return answer
    }

    // MARK: Whether it is concerned

    /// A topic of the connector whose records have schemas of the subject.
    private func usedTopic(by converter: RegistryConverter, _ part: RecordPart, isSink: Bool) -> String? {
        let subject = SubjectName(question.subject).name
        switch converter.options.strategy {
        case .topic:
            guard let topic = question.topic, question.isKey == (part == .key) else { return nil }
            return uses(topic, isSink: isSink) ? topic : nil
        case .topicRecord:
            // Topics may have dashes in their names, too.
            return named(isSink: isSink).first { subject.hasPrefix($0 + "-") }
        case .record:
            // What topics hold is not known: only those that have the record already can have it again.
            guard let record = try? question.candidate.document().names.first, record == subject else { return nil }
            return named(isSink: isSink).first
        }
    }

    private func uses(_ topic: String, isSink: Bool) -> Bool {
        if named(isSink: isSink).contains(topic) { return true }
        guard isSink, let pattern = properties["topics.regex"], !pattern.isEmpty,
            let expression = try? JavaRegex(pattern)
        else { return false }
        return (try? expression.matches(topic)) ?? false
    }

    /// Topics that it names or has used, sorted.
    private func named(isSink: Bool) -> [String] {
        var found = topics
        for option in isSink ? ["topics"] : ["kafka.topic", "topic"] {
            for topic in (properties[option] ?? "").split(separator: ",") { found.insert(topic.filter { $0 != " " }) }
        }
        return found.sorted()
    }

    // MARK: Sources

    private func writer(_ converter: RegistryConverter) -> ImpactWriter {
        let options = converter.options
        if let id = options.fixedID {
            let version = question.versions.last { $0.id == id }
            return ImpactWriter(.connector, name, .fixed, schema: version?.schema)
        }
        return ImpactWriter(.connector, name, options.usesLatest && !options.registers ? .latest : .registers)
    }

    // MARK: Sinks

    private func impacts(
        _ sink: any SinkPlugin, _ converter: RegistryConverter, _ part: RecordPart, _ topic: String,
        _ className: String
    ) -> [Impact] {
        func broken(_ reason: String) -> [Impact] { [Impact(.connector, name, .breaks, reason: reason)] }
        let reads = "reads \(part == .key ? "keys" : "values") of topic '\(topic)'"
        let shortName = className.split(separator: ".").last.map(String.init) ?? className
        guard question.candidate.type == converter.type else {
            return broken(
                "\(reads) by \(shortName), which reads \(converter.type.rawValue) schemas and would fail at records of "
                    + "this one (\(question.candidate.type.rawValue))")
        }
        let after: ConnectSchema?
        do throws(ConnectError) { after = try converter.connectSchema(question.candidate.registered) } catch {
            return broken("\(reads) by \(shortName), which cannot read records of this schema: \(error.message)")
        }
        // Without a version that it reads there is nothing that could break.
        guard let after, let latest = question.versions.last, latest.schema.type == converter.type,
            let before = (try? converter.connectSchema(latest.schema.registered)) ?? nil
        else { return [] }
        let change = RecordChange(
            before: record(topic, part, before), after: record(topic, part, after))
        guard let chain = try? TransformChain(properties) else { return [] }
        let (onTheWay, arrived) = change.through(chain)
        var consequences = onTheWay
        if let arrived { consequences += sink.consequences(of: arrived, properties) }
        var seen: Set<RecordChange.Consequence> = []
        return [true, false].compactMap { breaks in
            let reasons = consequences.filter { $0.breaks == breaks && seen.insert($0).inserted }.map(\.reason)
            guard !reasons.isEmpty else { return nil }
            return Impact(
                .connector, name, breaks ? .breaks : .changes,
                reason: "\(reads): \(reasons.joined(separator: "; "))")
        }
    }

    private func record(_ topic: String, _ part: RecordPart, _ schema: ConnectSchema) -> ConnectRecord {
        var record = ConnectRecord(
            topic: topic, partition: 0, timestamp: 0,
            origin: .sink(topic: topic, partition: 0, offset: 0, timestampKind: .create))
        record[part] = SchemaAndValue(schema, schema.sample)
        // A key without a registry is a text as far as anybody can tell.
        if part == .value { record.key = SchemaAndValue(.optionalString, .string("1")) }
        return record
    }
}

extension ImpactQuestion.Schema {
    fileprivate func document() throws(SchemaFailure) -> any SchemaDocument {
        try type.read(text, references: references)
    }

    fileprivate var registered: RegistrySchema {
        RegistrySchema(id: 0, type: type, text: text, references: references)
    }
}
