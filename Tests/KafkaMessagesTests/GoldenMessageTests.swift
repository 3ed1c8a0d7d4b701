import Bytes
import Foundation
import KafkaMessages
import NIOCore
import RandomMessages
import Testing

/// Compares with what kafka-clients 4.3.0 reads and writes. `Golden/MessageGolden.java` made the files and says how.
@Suite struct GoldenMessageTests {
    /// Every message Kafka's client library has, in its lowest, first flexible and highest version.
    @Test(arguments: try goldenLines("messages.jsonl", as: GoldenMessage.init))
    func `Kafka's bytes have the same meaning and are written again`(golden: GoldenMessage) throws {
        func check<M: RandomMessage>(_ type: M.Type) throws {
            let (message, left) = try M.decoded(golden.bytes, golden.version)
            #expect(left == 0)
            #expect(try message.encoded(golden.version) == golden.bytes)
            try expect(message, hasFields: golden.fields, at: golden.name)
        }
        let message = try #require(allMessages.first { $0.name == golden.name })
        try check(message.type)
    }

    @Test func `all APIs are covered`() throws {
        let covered = Set(try goldenLines("messages.jsonl", as: GoldenMessage.init).map(\.name))
        for api in ApiKey.allCases {
            #expect(covered.contains(api.name + "Request"))
            #expect(covered.contains(api.name + "Response"))
        }
    }

    /// Writes what Kafka is asked about; see `MessageGolden.java`. With `MESSAGE_CASES_SEEDS` random values in all
    /// versions, for a comparison that is not kept.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["MESSAGE_CASES"] != nil))
    func `the cases for MessageGolden.java are written`() throws {
        let environment = ProcessInfo.processInfo.environment
        let seeds = environment["MESSAGE_CASES_SEEDS"].flatMap { UInt64($0) }
        var lines = ""
        func append<M: RandomMessage>(_ type: M.Type) throws {
            for version in seeds == nil ? M.sampleVersions : Array(M.versions) {
                // Kafka 4.3.0 itself no longer has Produce 0 to 2.
                if "\(M.self)".hasPrefix("Produce"), version < 3 { continue }
                for seed in 0..<(seeds ?? 1) {
                    var random =
                        seeds == nil
                        ? MessageRandom(seed: UInt64(version), tags: true, countMax: 1, isFull: true)
                        : MessageRandom(seed: seed)
                    let bytes = try M.random(&random, version: version).encoded(version)
                    lines += "\(M.self) \(version) \(bytes.map(hex).joined())\n"
                }
            }
        }
        // The records of the coordinators' topics are not in Kafka's client library.
        for message in allMessages where !isCoordinatorRecord(message.name) { try append(message.type) }
        // Besides, what these values are not: lists of several elements and empty ones, -1, the largest numbers.
        if seeds == nil { lines += try goldenText("cases.txt") }
        let file = try #require(environment["MESSAGE_CASES"])
        try lines.write(toFile: file, atomically: true, encoding: .utf8)
    }

    private func isCoordinatorRecord(_ name: String) -> Bool { name.hasSuffix("Key") || name.hasSuffix("Value") }

    private func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    /// Compares a decoded value, field by field, with Kafka's JSON of the same bytes.
    ///
    /// Kafka leaves out fields that the version lacks and tagged fields with defaults, and shows records as their size.
    private func expect(_ value: Any, hasFields fields: [String: Any], at path: String) throws {
        let children = Dictionary(
            uniqueKeysWithValues: Mirror(reflecting: value).children.compactMap { child in
                child.label.map { ($0, child.value) }
            })
        for (key, expected) in fields {
            if key.hasSuffix("SizeInBytes"), let records = children[String(key.dropLast("SizeInBytes".count))] {
                let records = try #require(unwrapped(records) as? Records)
                #expect(records.byteCount == expected as? Int, "\(path).\(key)")
                continue
            }
            let child = try #require(children[key], "\(path).\(key) is missing")
            try expect(unwrapped(child), equals: expected, at: "\(path).\(key)")
        }
    }

    private func expect(_ value: Any?, equals expected: Any, at path: String) throws {
        switch value {
        case nil: #expect(expected is NSNull, "\(path)")
        case let value as Bool: #expect(value == expected as? Bool, "\(path)")
        case let value as String: #expect(value == expected as? String, "\(path)")
        case let value as KafkaUUID: #expect(value.description == expected as? String, "\(path)")
        case let value as ByteBuffer:
            let text = try #require(expected as? String, "\(path)")
            #expect(Data(base64Encoded: text) == Data(value.readableBytesView), "\(path)")
        case let value as Double: #expect(value == (expected as? NSNumber)?.doubleValue, "\(path)")
        case let value as any FixedWidthInteger:
            #expect("\(value)" == (expected as? NSNumber)?.stringValue, "\(path)")
        case let value as [Any]:
            let elements = try #require(expected as? [Any], "\(path)")
            try #require(elements.count == value.count, "\(path)")
            for (index, element) in value.enumerated() {
                try expect(element, equals: elements[index], at: "\(path)[\(index)]")
            }
        case let value?:
            try expect(value, hasFields: try #require(expected as? [String: Any], "\(path)"), at: path)
        }
    }

    private func unwrapped(_ value: Any) -> Any? {
        let mirror = Mirror(reflecting: value)
        guard mirror.displayStyle == .optional else { return value }
        return mirror.children.first?.value
    }
}

/// One line of `messages.jsonl`.
struct GoldenMessage: @unchecked Sendable, CustomTestStringConvertible {  // `fields` is never changed after parsing
    var name: String
    var version: Int16
    var bytes: [UInt8]
    var fields: [String: Any]

    init(_ line: [String: Any]) throws {
        name = try #require(line["name"] as? String)
        version = try #require((line["version"] as? NSNumber)?.int16Value)
        fields = try #require(line["fields"] as? [String: Any])
        let digits = Array(try #require(line["hex"] as? String))
        bytes = stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
    }

    var testDescription: String { "\(name) \(version)" }
}

func goldenText(_ name: String) throws -> String {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name)")
    return try String(contentsOf: file, encoding: .utf8)
}

/// The lines of a golden file, each a JSON object.
func goldenLines<T>(_ name: String, as make: ([String: Any]) throws -> T) throws -> [T] {
    try goldenText(name).split(separator: "\n").map { line in
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return try make(try #require(object as? [String: Any]))
    }
}
