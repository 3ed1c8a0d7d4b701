import Columns
import Foundation
import JSONFormat
import SQLFormats
import SQLTypes
import Testing

/// The formats in the original's test cases, without the statements between them.
@Suite(.enabled(if: SharedCases.exists, "the folder of test cases is missing: set SWIFTWATER_SHARED"))
struct CaseTests {
    struct Side {
        var format: SerdeFormat
        var columns: [SQLField]
    }

    struct Topic {
        var name: String
        var key: Side
        var value: Side
    }

    /// The topics of a case's sources, as they were in the end.
    static func topics(_ test: JSONValue) throws -> [Topic] {
        let statements = (test["statements"]?.elements ?? []).compactMap(\.text).joined(separator: "\n")
        var topics: [Topic] = []
        for source in test["observed"]?["sources"]?.elements ?? [] {
            guard let text = source["schema"]?.text, let name = source["name"]?.text else { continue }
            let part = statements.components(separatedBy: "CREATE").first {
                $0.uppercased().contains("STREAM \(name.uppercased()) ")
                    || $0.uppercased().contains("TABLE \(name.uppercased()) ")
            }
            let observed =
                (test["observed"]?["topics"]?.elements ?? []).first { topic in
                    let topicName = topic["name"]?.text ?? ""
                    return part?.lowercased().contains("kafka_topic='\(topicName.lowercased())'") ?? false
                } ?? (test["observed"]?["topics"]?.elements ?? []).first { $0["name"]?.text == name }
            guard let observed, let topicName = observed["name"]?.text,
                let key = SharedCases.format(observed["keyFormat"]),
                let value = SharedCases.format(observed["valueFormat"])
            else { continue }
            let columns = try SchemaText.columns(text)
            topics.append(
                Topic(
                    name: topicName,
                    key: Side(
                        format: key, columns: columns.filter { $0.role == .key }.map { SQLField($0.name, $0.type) }),
                    value: Side(
                        format: value, columns: columns.filter { $0.role == .value }.map { SQLField($0.name, $0.type) })
                ))
        }
        return topics
    }

    /// A registry with what a case has in it in the end.
    static func store(_ test: JSONValue) throws -> MemorySchemaStore {
        let store = MemorySchemaStore()
        for topic in test["topics"]?.elements ?? [] {
            for side in ["key", "value"] {
                for reference in topic[side + "SchemaReferences"]?.elements ?? [] {
                    guard let name = reference["name"]?.text, let json = reference["schema"] else { continue }
                    let format = SQLFormat(name: reference["format"]?.text ?? "") ?? .avro
                    _ = try store.register(SharedCases.schema(json, format), under: name)
                }
            }
        }
        for topic in test["observed"]?["topics"]?.elements ?? [] {
            guard let name = topic["name"]?.text else { continue }
            for side in ["key", "value"] {
                guard let json = topic[side + "Schema"], let format = SharedCases.format(topic[side + "Format"]) else {
                    continue
                }
                var schema = SharedCases.schema(json, format.info.format)
                let given = (test["topics"]?.elements ?? []).first { $0["name"]?.text == name }
                for reference in given?[side + "SchemaReferences"]?.elements ?? [] {
                    let text = reference["name"]?.text ?? ""
                    schema.references.append(.init(name: text, subject: text, version: 1))
                }
                let subject = RecordFormats.subject(topic: name, isKey: side == "key")
                if let id = format.info.schemaID, store.schemas[id] == nil {
                    store.put(schema, id: id, under: subject)
                } else {
                    _ = try store.register(schema, under: subject)
                }
            }
        }
        return store
    }

    @Test func `what a case says survives the way into bytes and back`() throws {
        var compared = 0
        var differences: [String] = []
        for test in try SharedCases.cases() where test["expectedException"] == nil {
            let topics = try Self.topics(test)
            guard !topics.isEmpty else { continue }
            let store = try Self.store(test)
            for record in test["outputs"]?.elements ?? [] {
                guard let name = record["topic"]?.text, let topic = topics.last(where: { $0.name == name }) else {
                    continue
                }
                for (side, isKey, json) in [(topic.key, true, record["key"]), (topic.value, false, record["value"])] {
                    guard let json else { continue }
                    let codec = CaseCodec(side.format, columns: side.columns, topic: name, isKey: isKey, schemas: store)
                    compared += 1
                    var reason: String?
                    do throws(FormatError) {
                        reason = codec.mismatch(json, try codec.bytes(json))
                    } catch {
                        reason = error.message
                    }
                    if let reason {
                        differences.append(
                            "\(test["name"]?.text ?? "") \(side.format.info): \(reason) \(String(decoding: json.bytes, as: UTF8.self).prefix(200))"
                        )
                    }
                }
            }
        }
        #expect(
            differences.isEmpty,
            "\(differences.count) of \(compared):\n\(differences.prefix(20).joined(separator: "\n"))")
        #expect(compared > 4000)
    }

    /// Statements that only copy: what is read of the input has to be what the output says.
    @Test func `copies read and write what the original did`() throws {
        var compared = 0
        var differences: [String] = []
        for test in try SharedCases.cases() where test["expectedException"] == nil {
            let statements = (test["statements"]?.elements ?? []).compactMap(\.text)
            guard statements.count == 2,
                test["topics"]?.elements?.contains(where: { $0["name"]?.text == "none" }) != true,
                statements[1].uppercased().hasSuffix("AS SELECT * FROM INPUT;"),
                !statements[1].uppercased().contains("WHERE")
            else { continue }
            let topics = try Self.topics(test)
            guard topics.count == 2, let output = topics.first(where: { $0.name.uppercased() == "OUTPUT" }),
                let input = topics.first(where: { $0.name != output.name }),
                input.value.columns.map(\.type) == output.value.columns.map(\.type)
            else { continue }
            let name = test["name"]?.text ?? ""
            let store = try Self.store(test)
            let formats = RecordFormats(schemas: store)
            let expected = (test["outputs"]?.elements ?? []).filter { $0["topic"]?.text == output.name }
            let inputs = (test["inputs"]?.elements ?? []).filter { $0["topic"]?.text == input.name }
            guard expected.count == inputs.count else { continue }
            for (isKey, from, to) in [(true, input.key, output.key), (false, input.value, output.value)] {
                do {
                    let reader = CaseCodec(
                        from.format, columns: from.columns, topic: input.name, isKey: isKey, schemas: store)
                    let judge = CaseCodec(
                        to.format, columns: to.columns, topic: output.name, isKey: isKey, schemas: store)
                    let decoder = try formats.columnDecoder(
                        from.format, topic: input.name, isKey: isKey, columns: from.columns,
                        wanted: Array(from.columns.indices))
                    let rows = try formats.rowDecoder(
                        from.format, topic: input.name, isKey: isKey, columns: from.columns)
                    let encoder = try formats.columnEncoder(
                        to.format, topic: output.name, isKey: isKey, columns: to.columns)
                    let member = isKey ? "key" : "value"
                    let records = try inputs.map { try reader.bytes($0[member] ?? .null) }
                    let decoded = decoder.decode(PlainFormatTests.bytes(records))
                    if let failure = decoded.failures.first { differences.append("\(name): \(failure.error)") }
                    for (row, record) in records.enumerated() {
                        guard let record, let values = try rows.row(record) else { continue }
                        for (index, value) in values.enumerated()
                        where decoded.columns[index].value(row, from.columns[index].type) != value {
                            differences.append("\(name): column \(index) of row \(row) is not \(value)")
                        }
                    }
                    let present = Validity(
                        records.enumerated().map { $0.element != nil && !decoded.absent.contains($0.offset) })
                    let written = try encoder.encode(decoded.columns, count: records.count, present: present)
                    for (row, record) in expected.enumerated() {
                        compared += 1
                        if let reason = judge.mismatch(record[member] ?? .null, written.array(row)) {
                            differences.append("\(name) \(member) \(row): \(reason)")
                        }
                    }
                } catch {
                    differences.append("\(name): \(error)")
                }
            }
        }
        #expect(
            differences.isEmpty,
            "\(differences.count) of \(compared):\n\(differences.prefix(20).joined(separator: "\n"))")
        #expect(compared > 100)
    }
}
