import Foundation
import JSONFormat
import SchemaRules
import Testing

@testable import ConnectCore

/// Events that real CDC connectors wrote with the JSON converter: read, written, and taken through Avro.
@Suite struct RecordedEventTests {
    private static let captures = ["mariadb/default", "mariadb/string", "mariadb/double", "mariadb/unwrap"]

    private static func lines(_ path: String) -> [JSONValue] {
        let base = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"] ?? "../shared"
        guard let data = FileManager.default.contents(atPath: base + "/" + path) else { return [] }
        return data.split(separator: UInt8(ascii: "\n")).compactMap { JSONValue.parse(Array($0)) }
    }

    @Test(
        .enabled(if: sharedJSON("cdc-golden/mariadb/default.schemas.json") != nil, "no events: set SWIFTWATER_SHARED"),
        arguments: captures)
    func `events come back from JSON and Avro`(capture: String) async throws {
        let schemas = try #require(sharedJSON("cdc-golden/\(capture).schemas.json"))
        let avro = AvroConverter(MemoryRegistry(), RegistryOptions())
        var counts = (values: 0, exact: 0, avro: 0)
        for event in Self.lines("cdc-golden/\(capture).events.jsonl") {
            for part in ["key", "value"] {
                guard let name = event[part + "_schema"]?.text, let schema = schemas[name], let payload = event[part],
                    !payload.isJSONNull
                else { continue }
                let envelope = JSONValue.object([("schema", schema), ("payload", payload)])
                let value = try JSONConverter().value(envelope)
                let back = try JSONConverter().json(value)
                #expect(back.isSame(as: envelope), "\(capture) \(event["n"]?.line ?? "")")
                counts.values += 1
                if back["payload"]?.bytes == payload.javaBytes() { counts.exact += 1 }
                let bytes: [UInt8]?
                do throws(ConnectError) {
                    bytes = try await avro.bytes(value, topic: "t")
                } catch {
                    // Avro has no names with spaces and such, and neither has the original.
                    #expect(error.message.hasPrefix("Illegal"), "\(error)")
                    continue
                }
                let throughAvro = try await avro.value(bytes, topic: "t")
                let again = try JSONConverter().json(throughAvro)
                #expect(again["payload"] == back["payload"], "Avro: \(capture) \(event["n"]?.line ?? "")")
                counts.avro += 1
            }
        }
        print(
            "recorded events \(capture): \(counts.values) equal, \(counts.exact) of the payloads to the byte, "
                + "\(counts.avro) through Avro")
        #expect(counts.values > 0)
    }

    /// The capture `unwrap` was made by the original's transform from what the capture `default` holds.
    @Test(.enabled(if: sharedJSON("cdc-golden/mariadb/unwrap.schemas.json") != nil, "no events: set SWIFTWATER_SHARED"))
    func `rows are taken out of events as by the original`() throws {
        let schemas = try #require(sharedJSON("cdc-golden/mariadb/default.schemas.json"))
        let wantedSchemas = try #require(sharedJSON("cdc-golden/mariadb/unwrap.schemas.json"))
        let chain = try TransformChain([
            "transforms": "u", "transforms.u.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.u.add.fields": "op,table,source.db", "transforms.u.delete.tombstone.handling.mode": "rewrite",
        ])
        func envelope(_ event: JSONValue, _ part: String, _ schemas: JSONValue) -> JSONValue {
            let schema = event[part + "_schema"]?.text.flatMap { schemas[$0] } ?? .null
            return .object([("schema", schema), ("payload", event[part] ?? .null)])
        }
        var got: [JSONValue] = []
        for event in Self.lines("cdc-golden/mariadb/default.events.jsonl") {
            // The schema changes and one table are not in the other capture.
            guard let topic = event["topic"]?.text, topic != "dbserver1", !topic.hasSuffix(".big") else { continue }
            let isTombstone = event["value"]?.isJSONNull ?? true
            let value = isTombstone ? .null : try JSONConverter().value(envelope(event, "value", schemas))
            let record = ConnectRecord(
                topic: topic, value: value, origin: .source(partition: ConnectMap(), offset: ConnectMap()))
            guard let output = try chain.apply(record) else { continue }
            got.append(try JSONConverter().json(output.value))
        }
        let want = Self.lines("cdc-golden/mariadb/unwrap.events.jsonl").map { envelope($0, "value", wantedSchemas) }
        try #require(got.count == want.count)
        for (a, b) in zip(got, want) { #expect(a.isSame(as: b), "got \(a.line)\nwant \(b.line)") }
        print("recorded rows: \(want.count)")
    }
}
