import Cluster
import JSONFormat
import NIOCore
import RecordBatches
import SQLPlan

/// One record of the command topic.
///
/// | part | what |
/// |---|---|
/// | key | the id as a JSON string: `` "stream/`X`/create" `` |
/// | value | `{"statement":"...","streamsProperties":{...},"originalProperties":{...},"plan":null,"version":12}` |
/// | header `swiftwater.surroundings` | what topics and registry answered when the statement was checked, see `Surroundings` |
/// | header `swiftwater.number` | of a copy made by compaction: the number that the command had first |
///
/// Planning here is a function of the statement and of what its surroundings answer, so these are kept in place of the
/// plan, and every node comes to the same result. The original's records have a plan and no such header: their statements
/// are planned against the surroundings of today, under the query's id in the plan.
///
/// - SeeAlso: upstream `Command`, `CommandId`, `InternalTopicSerdes`.
struct Command: Sendable {
    static let versionMax: Int64 = 12
    static let surroundingsHeader = "swiftwater.surroundings"
    static let numberHeader = "swiftwater.number"

    var id: CommandID
    var statement: String
    /// What the session set.
    var properties: [String: String] = [:]
    /// What the server was configured with, secrets left out.
    var serverProperties: [String: String] = [:]
    /// The original's plan, where it wrote one.
    var planQueryID: String?
    /// Names of topics, as patterns, that TERMINATE CLUSTER deletes.
    var deletedTopics: [String] = []
    var surroundings: Surroundings?
    /// Numbers count commands: ids of queries are made of them. As in the original, one more than the record's offset.
    var number: Int64 = 0

    init(_ id: CommandID, _ statement: String) {
        self.id = id
        self.statement = statement
    }

    /// Why a record is passed over.
    struct Unreadable: Error, CustomStringConvertible {
        var description: String
        /// A later version wrote it: what follows may depend on it, so nothing after it may be executed.
        var isNewer = false
    }

    init(_ record: ConsumerRecord) throws(Unreadable) {
        guard let keyBytes = record.key.map({ Array($0.readableBytesView) }),
            let key = JSONValue.parse(keyBytes)?.text, let id = CommandID(key)
        else { throw Unreadable(description: "its key is no id of a command") }
        guard let valueBytes = record.value.map({ Array($0.readableBytesView) }),
            let value = JSONValue.parse(valueBytes), let statement = value["statement"]?.text
        else { throw Unreadable(description: "its value is no command") }
        if let version = value["version"]?.integer, version > Self.versionMax {
            throw Unreadable(
                description: "version \(version) is later than \(Self.versionMax), the latest that this program knows",
                isNewer: true)
        }
        self.init(id, statement)
        for (name, property) in value["streamsProperties"]?.members ?? [] {
            if name == Self.deleteTopicList {
                deletedTopics = property.elements?.compactMap(\.text) ?? []
            } else if let text = Self.text(property) {
                properties[name] = text
            }
        }
        for (name, property) in value["originalProperties"]?.members ?? [] {
            if let text = Self.text(property) { serverProperties[name] = text }
        }
        planQueryID = value["plan"]?["queryPlan"]?["queryId"]?.text
        number = record.offset + 1
        for header in record.headers {
            guard let bytes = header.value else { continue }
            switch header.key {
            case Self.numberHeader: number = Int64(String(decoding: bytes, as: UTF8.self)) ?? number
            case Self.surroundingsHeader:
                guard let json = JSONValue.parse(bytes) else { continue }
                let rules = Surroundings.rules(json) ?? RuleVersion.first.rawValue
                guard rules <= RuleVersion.current.rawValue else {
                    throw Unreadable(
                        description:
                            "rules of version \(rules) are later than \(RuleVersion.current.rawValue), the latest"
                            + " that this program knows", isNewer: true)
                }
                surroundings = Surroundings(json)
            default: break
            }
        }
    }

    static let deleteTopicList = "deleteTopicList"

    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .null, .array, .object: nil
        default: value.text ?? String(decoding: value.bytes, as: UTF8.self)
        }
    }

    private static func object(_ values: [String: String]) -> [(String, JSONValue)] {
        values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }
    }

    /// - Parameter isCopy: whether the number goes along, because the record will have another offset.
    func record(isCopy: Bool = false) -> ProducerRecord {
        var streams = Self.object(properties)
        if !deletedTopics.isEmpty {
            streams.append((Self.deleteTopicList, .array(deletedTopics.map { .string($0) })))
        }
        let value = JSONValue.object([
            ("statement", .string(statement)), ("streamsProperties", .object(streams)),
            ("originalProperties", .object(Self.object(serverProperties))), ("plan", .null),
            ("version", .number(Self.versionMax)),
        ])
        var headers: [RecordHeader] = []
        if let surroundings {
            headers.append(RecordHeader(key: Self.surroundingsHeader, value: surroundings.json.bytes))
        }
        if isCopy { headers.append(RecordHeader(key: Self.numberHeader, value: Array(String(number).utf8))) }
        return ProducerRecord(
            partition: 0, key: ByteBuffer(bytes: JSONValue.string(id.description).bytes),
            value: ByteBuffer(bytes: value.bytes), headers: headers)
    }
}
