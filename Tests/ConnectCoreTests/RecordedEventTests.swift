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
}
