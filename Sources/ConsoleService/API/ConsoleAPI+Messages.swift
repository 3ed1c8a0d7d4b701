import Cluster
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import RecordBatches

/// Messages of a topic: searched, followed, written.
extension ConsoleAPI {
    func addMessages(_ router: inout HTTPRouter) {
        let console = console
        on(.get, "/api/topics/{topic}/messages", &router) { call in
            let search = try Self.search(call)
            guard let place = console.searches.enter() else {
                throw HTTPFailure(
                    .serviceUnavailable, "too many searches are running: try again in a moment",
                    headers: [.retryAfter: "2"])
            }
            defer { place.leave() }
            let clock = ContinuousClock()
            let began = clock.now
            let answer = try await search.run(in: console.cluster, console.decoder)
            let next =
                answer.isComplete ? JSONValue.null : .object([("cursor", .string(MessageSearch.cursor(answer.next)))])
            return .json(
                .object([
                    ("messages", .array(answer.messages.map(\.json))), ("scanned", .number(answer.scanned)),
                    ("complete", .bool(answer.isComplete)), ("next", next),
                    (
                        "older",
                        answer.older.map { .object([("before", .string(MessageSearch.cursor($0)))]) } ?? .null
                    ),
                    ("elapsed_ms", .number(Int64((clock.now - began) / .milliseconds(1)))),
                ]))
        }
        on(.get, "/api/topics/{topic}/tail", &router) { call in
            let tail = LiveTail(
                call.parameter("topic"), try MessageFilter(call), console.cluster, console.decoder)
            // An unknown topic is an error, not a stream that ends.
            _ = try await console.cluster.topic(call.parameter("topic"))
            return ServerEvents.answer { writer in try await tail.run(&writer) }
        }
        on(.post, "/api/topics/{topic}/messages", &router) { call in
            .json(try await Self.produce(call, console), status: .created)
        }
    }

    static func search(_ call: HTTPCall) throws(HTTPFailure) -> MessageSearch {
        var search = MessageSearch(topic: call.parameter("topic"))
        if let text = call.query("partition"), !text.isEmpty, text != "all" {
            guard let number = Int32(text), number >= 0 else {
                throw HTTPFailure(.badRequest, "partition is a number or all, not '\(text)'")
            }
            search.partition = number
        }
        let limit = try call.number("limit", default: 50)
        guard 1...Int64(MessageSearch.limitMax) ~= limit else {
            throw HTTPFailure(.badRequest, "limit is between 1 and \(MessageSearch.limitMax)")
        }
        search.limit = Int(limit)
        search.isWhole = call.query("whole") == "true"
        guard !search.isWhole || limit == 1 else {
            throw HTTPFailure(.badRequest, "whole=true is for one message: add limit=1")
        }
        search.start = .newest(limit)
        if let text = call.query("from"), !text.isEmpty {
            guard let start = MessageSearch.start(text, limit: search.limit) else {
                throw HTTPFailure(
                    .badRequest, "from is earliest, latest, last:N, offset:N or time:MILLISECONDS, not '\(text)'")
            }
            search.start = start
        }
        if let text = call.query("before"), !text.isEmpty {
            guard let before = MessageSearch.cursor(text), case .newest = search.start else {
                throw HTTPFailure(
                    .badRequest, "before is what an answer to from=last:N told, and goes with from=last:N")
            }
            search.before = before
        }
        if let text = call.query("cursor"), !text.isEmpty {
            guard let cursor = MessageSearch.cursor(text) else {
                throw HTTPFailure(.badRequest, "the cursor is not one of an answer")
            }
            search.start = .cursor(cursor)
        }
        if call.query("until")?.isEmpty == false { search.until = try call.number("until", default: 0) }
        search.filter = try MessageFilter(call)
        search.keyReading = try reading(call, "key_format")
        search.valueReading = try reading(call, "value_format")
        // A search by value may take a while longer, when its user says so.
        let time = try call.number("time_ms", default: 2000)
        search.timeMax = .milliseconds(min(max(time, 50), 20_000))
        let bytes = try call.number("bytes", default: Int64(search.byteCountMax))
        search.byteCountMax = Int(min(max(bytes, 1), 256 << 20))
        return search
    }

    private static func reading(_ call: HTTPCall, _ name: String) throws(HTTPFailure) -> MessageDecoder.Reading {
        guard let text = call.query(name), !text.isEmpty else { return .auto }
        guard let reading = MessageDecoder.Reading(rawValue: text) else {
            throw HTTPFailure(
                .badRequest, "\(name) is auto, string, json, long, int, bytes, avro, protobuf or json-schema")
        }
        return reading
    }

    private static func produce(_ call: HTTPCall, _ console: Console) async throws -> JSONValue {
        let topic = call.parameter("topic")
        let body = try await call.json()
        let encoder = MessageEncoder(registry: console.registry)
        var record = ProducerRecord(
            key: try await encoder.bytes(body["key"], "key", subject: topic + "-key"),
            value: try await encoder.bytes(body["value"], "value", subject: topic + "-value"))
        record.partition = try number(body, "partition").map { Int32(clamping: $0) }
        let time = try number(body, "timestamp") ?? console.now()
        record.timestamp = time
        record.headers = try headers(body["headers"])
        let written = try await write([record], to: topic, console)
        guard let position = written.first else {
            throw HTTPFailure(.internalServerError, "the broker did not tell where the message is")
        }
        return .object([
            ("partition", .number(Int64(position.partition))), ("offset", .number(position.offset)),
            ("timestamp", .number(time)),
        ])
    }

    /// `[{"key": "k", "value": "text" or null or a field}]`
    private static func headers(_ value: JSONValue?) throws(HTTPFailure) -> [RecordHeader] {
        var headers: [RecordHeader] = []
        for header in value?.elements ?? [] {
            guard let key = header["key"]?.text else {
                throw HTTPFailure(.badRequest, "headers are like [{\"key\": \"k\", \"value\": \"v\"}]")
            }
            let text = header["value"]?.text ?? header["value"]?["text"]?.text
            headers.append(RecordHeader(key: key, value: text.map { Array($0.utf8) }))
        }
        return headers
    }

    static func write(
        _ records: [ProducerRecord], to topic: String, _ console: Console
    ) async throws(ClusterError) -> [RecordPosition] {
        let writer = try await console.cluster.writer(.idempotent)
        do throws(ClusterError) {
            let positions = try await writer.write(records, to: topic)
            await writer.close()
            return positions
        } catch {
            await writer.close()
            throw error
        }
    }
}
