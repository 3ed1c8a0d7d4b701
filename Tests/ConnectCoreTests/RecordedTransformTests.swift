import JSONFormat
import Testing

@testable import ConnectCore

/// Every recorded run of a real transform, from `connect-golden/smt.json`.
@Suite struct RecordedTransformTests {
    private static let runs = sharedJSON("connect-golden/smt.json")?.elements

    @Test(.enabled(if: runs != nil, "no recorded runs: set SWIFTWATER_SHARED"))
    func `transforms answer as the original`() throws {
        var counts: [String: Int] = [:]
        for run in Self.runs ?? [] {
            let wanted = Self.expected(run)
            let got = Self.run(run)
            let label = "\(run["transform"]?.text ?? "") \(run["record"]?.text ?? "") \(run["config"]?.line ?? "")"
            let isSame: Bool
            switch (got, wanted) {
            case (.failure(let a), .failure(let b)): isSame = a.description == b.description
            case (.success(let a), .success(let b)): isSame = a.isSame(as: b)
            default: isSame = false
            }
            #expect(isSame, "\(label)\n got \(Self.show(got))\nwant \(Self.show(wanted))")
            counts[isSame ? "equal" : "different", default: 0] += 1
            if case (.success(let a), .success(let b)) = (got, wanted) {
                let isExact = a.bytes == b.javaBytes()
                counts[isExact ? "of them to the byte" : "in another order", default: 0] += 1
            }
        }
        print(
            "recorded transforms:",
            counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    }

    private struct Failure: Error { var description: String }

    private static func show(_ result: Result<JSONValue, Failure>) -> String {
        switch result {
        case .success(let json): json.line
        case .failure(let failure): failure.description
        }
    }

    private static func expected(_ run: JSONValue) -> Result<JSONValue, Failure> {
        if let error = run["error"]?.text { return .failure(Failure(description: error)) }
        guard let output = run["output"], !output.isJSONNull else { return .success(.string("dropped")) }
        return .success(output)
    }

    private static func run(_ run: JSONValue) -> Result<JSONValue, Failure> {
        do throws(ConnectError) {
            var properties = ["transforms": "t", "transforms.t.type": run["transform"]?.text ?? ""]
            if properties["transforms.t.type"]?.contains(".") == false {
                properties["transforms.t.type"] =
                    "org.apache.kafka.connect.transforms." + (run["transform"]?.text ?? "")
            }
            for (name, value) in run["config"]?.members ?? [] {
                properties["transforms.t." + name] = value.text ?? value.line
            }
            let chain = try TransformChain(properties)
            guard let input = run["input"], let output = try chain.apply(record(input)) else {
                return .success(.string("dropped"))
            }
            return .success(try json(output))
        } catch {
            return .failure(Failure(description: error.description))
        }
    }

    private static func value(_ json: JSONValue?) throws(ConnectError) -> SchemaAndValue {
        guard let json, !json.isJSONNull else { return .null }
        guard let schema = json["schema"], !schema.isJSONNull else {
            return SchemaAndValue(nil, plainValue(json["payload"] ?? .null))
        }
        return try JSONConverter().value(json)
    }

    private static func record(_ json: JSONValue) throws(ConnectError) -> ConnectRecord {
        let topic = json["topic"]?.text ?? ""
        let partition = Int32(truncatingIfNeeded: json["partition"]?.integer ?? 0)
        var headers: [ConnectHeader] = []
        for header in json["headers"]?.elements ?? [] {
            let value = try value(header["value"])
            headers.append(ConnectHeader(header["name"]?.text ?? "", value.schema, value.value))
        }
        return ConnectRecord(
            topic: topic, partition: partition, key: try value(json["key"]), value: try value(json["value"]),
            timestamp: json["timestamp"]?.integer, headers: headers,
            origin: .sink(topic: topic, partition: partition, offset: 99, timestampKind: .create))
    }

    private static func envelope(_ value: SchemaAndValue) throws(ConnectError) -> JSONValue {
        value.schema == nil && value.value.isNull ? .null : try JSONConverter().json(value)
    }

    private static func json(_ record: ConnectRecord) throws(ConnectError) -> JSONValue {
        var members: [(String, JSONValue)] = [("topic", .string(record.topic))]
        members.append(("partition", record.partition.map { .number(Int64($0)) } ?? .null))
        if let timestamp = record.timestamp { members.append(("timestamp", .number(timestamp))) }
        members.append(("key", try envelope(record.key)))
        members.append(("value", try envelope(record.value)))
        var headers: [JSONValue] = []
        for header in record.headers {
            headers.append(
                .object([
                    ("name", .string(header.name)),
                    ("value", try envelope(SchemaAndValue(header.schema, header.value))),
                ]))
        }
        members.append(("headers", .array(headers)))
        return .object(members)
    }
}
