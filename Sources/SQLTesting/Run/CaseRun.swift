package import SQLFormats
import SQLPlan
import SQLSyntax

extension TestPipeline {
    /// Runs a case: statements, then inputs, then query after query to its end.
    ///
    /// - Throws: the first thing that fails.
    package func run(_ test: TestCase) throws(PipelineError) {
        let statements: [ParsedStatement]
        do throws(SQLSyntaxError) { statements = try SQLParser.script(test.statements.joined(separator: "\n")) } catch {
            throw PipelineError(stage: .parse, message: error.message)
        }
        try prepare(test.topics, statements, partitions: 4)
        for record in test.inputs + test.outputs { topics.create(record.topic, partitions: 4, replicas: 1) }
        for (index, statement) in statements.enumerated() {
            do throws(PipelineError) { try execute(statement) } catch {
                throw PipelineError(stage: error.stage, message: error.message, statement: index)
            }
        }
        try build()
        try run(inputs: test.inputs)
    }

    private func run(inputs: [TestRecord]) throws(PipelineError) {
        var fed: [(topic: String, record: TopicRecord, offset: Int64)] = []
        for (index, input) in inputs.enumerated() {
            let record: TopicRecord
            do throws(FormatError) { record = try bytes(of: input) } catch {
                let reason = ([error.message] + error.causes).joined(separator: ": ")
                throw PipelineError(stage: .process, message: "input \(index + 1): \(reason)")
            }
            fed.append((input.topic, record, topics.append(record, to: input.topic)))
        }
        let inputTopics = Set(inputs.map(\.topic))
        for query in queries {
            let sources = query.plan.sourceTopics
            if sources.contains(where: inputTopics.contains) {
                for input in fed where sources.contains(input.topic) {
                    try feed(input.record, input.offset, input.topic, to: query)
                }
            }
            for topic in sources where !inputTopics.contains(topic) {
                for (offset, record) in topics.records(of: topic).enumerated() {
                    try feed(record, Int64(offset), topic, to: query)
                }
            }
        }
    }

    /// A record of a case as bytes, by the formats of the topic's source.
    package func bytes(of record: TestRecord) throws(FormatError) -> TopicRecord {
        let codecs = codecs(of: record.topic)
        var key = try codecs.key.bytes(record.key)
        if let window = record.window {
            key = CaseWindow(start: window.start, end: window.end, isSession: window.isSession).bytes(of: key ?? [])
        }
        return TopicRecord(
            key: key, value: try codecs.value.bytes(record.value), timestamp: record.timestamp ?? 0,
            headers: record.headers ?? [])
    }

    /// What turns the JSON of cases into bytes of a topic and back.
    package func codecs(of topic: String) -> (key: CaseCodec, value: CaseCodec, window: WindowInfo?) {
        let named = catalog.sourceNames.compactMap { catalog[$0] }.filter { $0.topic == topic }
        let source = named.first
        return (
            CaseCodec(
                source?.keyFormat ?? SerdeFormat(FormatInfo(.kafka)), columns: source?.keyColumns.map(\.field) ?? [],
                topic: topic, isKey: true, schemas: schemas),
            CaseCodec(
                source?.valueFormat ?? SerdeFormat(FormatInfo(.json)),
                columns: source?.valueColumns.map(\.field) ?? [], topic: topic, isKey: false, schemas: schemas),
            source?.window
        )
    }
}
