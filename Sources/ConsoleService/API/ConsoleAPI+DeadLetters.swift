import Administration
import Cluster
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore

/// Records that sinks could not take: looked at, mended, sent again.
extension ConsoleAPI {
    func addDeadLetters(_ router: inout HTTPRouter) {
        let console = console
        on(.get, "/api/dead-letters", &router) { call in
            guard let topic = call.query("topic"), !topic.isEmpty else {
                throw HTTPFailure(.badRequest, "name a topic of dead letters with ?topic=")
            }
            let limit = try call.number("limit", default: 100)
            guard 1...Int64(MessageSearch.limitMax) ~= limit else {
                throw HTTPFailure(.badRequest, "limit is between 1 and \(MessageSearch.limitMax)")
            }
            return .json(try await Self.letters(topic, Int(limit), console))
        }
        on(.post, "/api/dead-letters/redrive", bodyByteCountMax: 16 << 20, &router) { call in
            .json(try await Self.redrive(try await call.json(), console))
        }
    }

    private static func letters(_ topic: String, _ limit: Int, _ console: Console) async throws -> JSONValue {
        let sent = try await console.cluster.groupOffsets(DeadLetters.group(topic))
        let (waiting, waitingCount) = try await DeadLetters.oldestWaiting(
            limit, of: topic, from: sent.mapValues(\.offset), in: console.cluster)
        // What was sent again fills up the rest.
        let old =
            waiting.count == limit
            ? []
            : try await DeadLetters.newest(Int64(limit), of: topic, in: console.cluster)
                .filter { $0.offset < sent[TopicPartition($0.topic, $0.partition)]?.offset ?? 0 }
                .sorted { ($0.timestamp, $0.partition, $0.offset) < ($1.timestamp, $1.partition, $1.offset) }
                .suffix(limit - waiting.count)
        let records = old + waiting
        console.decoder.forgetProblems()
        await console.decoder.prepare(console.decoder.missing(Array(records)))
        let letters = records.map { record -> JSONValue in
            let message = Message(record, key: console.decoder.key(record), value: console.decoder.value(record))
                .shortened
            func context(_ name: String) -> JSONValue { .string(record.deadLetterContext(name)) }
            func number(_ name: String) -> JSONValue {
                record.deadLetterContext(name).flatMap { Int64($0) }.map { .number($0) } ?? .null
            }
            let reason = JSONValue.object([
                ("topic", context("topic")), ("partition", number("partition")), ("offset", number("offset")),
                ("connector", context("connector.name")), ("task", number("task.id")), ("stage", context("stage")),
                ("class", context("class.name")), ("exception", context("exception.class.name")),
                ("message", context("exception.message")), ("stack_trace", context("exception.stacktrace")),
            ])
            let place = TopicPartition(record.topic, record.partition)
            return .object(
                message.members + [
                    ("reason", reason), ("sent_again", .bool(record.offset < (sent[place]?.offset ?? 0))),
                ])
        }
        return .object([("messages", .array(letters)), ("waiting", .number(waitingCount))])
    }

    /// `{"topic", "to"?, "messages": [{"partition", "offset", "key"?: FIELD, "value"?: FIELD}]}`; without messages all
    /// that were not sent yet.
    private static func redrive(_ body: JSONValue, _ console: Console) async throws -> JSONValue {
        guard let topic = body["topic"]?.text, !topic.isEmpty else {
            throw HTTPFailure(.badRequest, "the body is like {\"topic\": \"dlq\", \"messages\": [...]}")
        }
        let cluster = console.cluster
        let group = DeadLetters.group(topic)
        let chosen = body["messages"]?.elements
        var letters: [(ConsumerRecord, JSONValue?)] = []
        if let chosen {
            guard chosen.count <= MessageSearch.limitMax else {
                throw HTTPFailure(.badRequest, "at most \(MessageSearch.limitMax) messages at a time")
            }
            for wanted in chosen {
                guard let partition = try number(wanted, "partition").flatMap({ Int32(exactly: $0) }),
                    let offset = try number(wanted, "offset")
                else { throw HTTPFailure(.badRequest, "messages are named by partition and offset") }
                letters.append((try await letter(TopicPartition(topic, partition), offset, cluster), wanted))
            }
        } else {
            let done = try await cluster.groupOffsets(group).mapValues(\.offset)
            letters = try await DeadLetters.all(topic, from: done, in: cluster).map { ($0, nil) }
        }
        let encoder = MessageEncoder(registry: console.registry)
        var sendings: [DeadLetters.Sending] = []
        for (letter, wanted) in letters {
            guard let target = body["to"]?.text ?? letter.deadLetterContext("topic") else {
                throw HTTPFailure(
                    .badRequest,
                    "the letter at offset \(letter.offset) does not say which topic it is from: name one as \"to\" "
                        + "(connectors with errors.deadletterqueue.context.headers.enable=true write it down)")
            }
            var sending = DeadLetters.Sending(letter, to: target, value: letter.value)
            if let value = wanted?["value"] {
                sending.value = try await encoder.bytes(value, "value", subject: target + "-value")
            }
            if let key = wanted?["key"] {
                sending.key = try await encoder.bytes(key, "key", subject: target + "-key")
            }
            sendings.append(sending)
        }
        for target in Set(sendings.map(\.topic)) { _ = try await cluster.topic(target) }
        // What is chosen is remembered as far as it is a row, whose end stands for all of it.
        var ends: [TopicPartition: CommittedOffset] = [:]
        if chosen != nil {
            let positions = letters.map { RecordPosition(partition: $0.0.partition, offset: $0.0.offset) }
            ends = try await DeadLetters.run(
                of: Set(positions), in: topic, from: try await cluster.groupOffsets(group).mapValues(\.offset),
                cluster: cluster)
        }
        try await DeadLetters.send(sendings, remembering: chosen == nil ? group : nil, in: cluster)
        if !ends.isEmpty { try await cluster.alterGroupOffsets(group, ends) }
        return .object([
            ("written", .number(Int64(sendings.count))),
            ("to", .array(Set(sendings.map(\.topic)).sorted().map { .string($0) })),
        ])
    }

    private static func letter(
        _ partition: TopicPartition, _ offset: Int64, _ cluster: any Cluster
    ) async throws -> ConsumerRecord {
        let reader = try await cluster.reader(partition, from: .offset(offset), isolation: .readCommitted)
        defer { reader.close() }
        var records: [ConsumerRecord] = []
        do throws(ClusterError) {
            records = try await reader.next(maxBytes: 1 << 16, timeout: .seconds(2)).records()
        } catch {
            guard error.code == .offsetOutOfRange else { throw error }
        }
        guard let letter = records.first(where: { $0.offset == offset }) else {
            throw HTTPFailure(
                .notFound,
                "topic '\(partition.topic)' has no message at offset \(offset) of partition \(partition.partition)")
        }
        return letter
    }
}
