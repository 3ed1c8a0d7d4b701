import JSONFormat
import Testing

@testable import RegistryService

/// `confluent:reserved` in the metadata, under `validateFields`: the same for every type of schema.
@Suite struct ReservedFieldTests {
    private static func body(_ type: String, _ schema: String, reserved: String?) -> String {
        var members: [(String, JSONValue)] = [("schemaType", .string(type)), ("schema", .string(schema))]
        if let reserved {
            members.append(
                ("metadata", .object([("properties", .object([("confluent:reserved", .string(reserved))]))])))
        }
        return String(decoding: JSONValue.object(members).bytes, as: UTF8.self)
    }

    /// Two schemas of a type, the second with a field `b`.
    @Test(
        arguments: [
            (
                "PROTOBUF", #"syntax = "proto3"; message M { int32 a = 1; }"#,
                #"syntax = "proto3"; message M { int32 a = 1; } message N { string b = 1; }"#
            ),
            (
                "JSON", #"{"type":"object","properties":{"a":{}},"additionalProperties":false}"#,
                #"{"type":"object","properties":{"a":{},"b":{}},"additionalProperties":false}"#
            ),
            (
                "AVRO", #"{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}"#,
                #"{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#
            ),
        ])
    func `reserved fields are neither used nor given back`(type: String, first: String, second: String) async throws {
        try await TestPlatform.with { platform in
            try await platform.withNode { node in
                func post(_ schema: String, _ reserved: String?) async throws -> (status: Int, text: String) {
                    let answer = try await node.ask(
                        "POST", "/subjects/t/versions", Self.body(type, schema, reserved: reserved))
                    return (answer.status, answer.text)
                }
                _ = try await node.ask("PUT", "/config", #"{"compatibility":"BACKWARD","validateFields":true}"#)
                let registered = try await post(first, " b , c")
                #expect(registered.status == 200, "\(registered)")
                let conflict = try await post(second, "b,c")
                #expect(conflict.status == 409)
                #expect(
                    conflict.text.contains("The new schema has field that conflicts with the reserved field b."),
                    "\(conflict)")
                let removal = try await post(second, "c")
                #expect(removal.status == 409)
                #expect(
                    removal.text.contains(
                        "The new schema has reserved field b removed from its metadata which is present in the old "
                            + "schema's metadata."), "\(removal)")
                _ = try await node.ask("PUT", "/config", #"{"compatibility":"BACKWARD","validateFields":false}"#)
                let free = try await post(second, "b")
                #expect(free.status == 200, "\(free)")
            }
        }
    }
}
