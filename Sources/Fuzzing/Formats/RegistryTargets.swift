import JSONFormat
import RegistryService
import SchemaRules
import SchemaSerdes
import TestKit

extension FuzzTarget {
    /// Schemas of every type that are almost right: each can read itself, and can be compared with others.
    private static func document(_ random: inout SeededRandom) -> (any SchemaDocument)? {
        let type = SchemaType.allCases[random.roll(SchemaType.allCases.count)]
        let text =
            switch type {
            case .avro: random.almost(AvroSubject.schemaTexts, words: AvroSubject.words)
            case .json: random.almost(jsonSchemaTexts, words: jsonSchemaWords)
            case .protobuf: random.almost(ProtobufSubject.texts, words: ProtobufSubject.words)
            }
        // What is almost a schema is most often none.
        return try? type.read(
            text, references: type == .json ? [.init(name: "other.json", subject: "o", version: 1, text: "{}")] : [],
            isNew: random.roll(2) == 0)
    }

    /// Payloads of schemas, and JSON for them, both damaged: what is one of them is also the other.
    static let payloads = FuzzTarget(name: "payloads", stepCount: 80) { try tryPayloads(&$0) }

    private static func tryPayloads(_ random: inout SeededRandom) throws {
        guard let document = document(&random) else { return }
        for policy in CompatibilityPolicy.allCases {
            let differences = document.incompatibilities(reading: document, policy: policy)
            try require(
                differences.allSatisfy { $0.kind == "SCHEMA_TOO_COMPLEX" },
                "\(document.canonicalText) cannot read itself: \(differences)")
        }
        let original = Self.original(document.type, &random)
        for level in [CompatibilityLevel.full, .backward, .forwardTransitive] {
            _ = level.messages(
                document, types: [original.type], after: [EarlierSchema(version: 1, document: original)],
                policy: .lenient)
        }
        _ = SchemaTags.found(in: document.canonicalText, document.type)
        try framed(document, &random)
    }

    private static func original(_ type: SchemaType, _ random: inout SeededRandom) -> any SchemaDocument {
        let documents = originals.filter { $0.type == type }
        return documents[random.roll(documents.count)]
    }

    private static let originals: [any SchemaDocument] = {
        let texts: [(SchemaType, [String])] = [
            (.avro, AvroSubject.schemaTexts), (.json, ["true"] + jsonSchemaTexts), (.protobuf, ProtobufSubject.texts),
        ]
        // Those that refer to others are left out; every type has some that do not.
        return texts.flatMap { type, texts in texts.compactMap { try? type.read($0) } }
    }()

    private static func framed(_ document: any SchemaDocument, _ random: inout SeededRandom) throws {
        let serde: JSONSerde
        do { serde = try JSONSerde(document) } catch { return }  // no message in it, or a type that never ends
        var bytes = SchemaFrame.prefix(id: Int32(truncatingIfNeeded: random.number()))
        if random.roll(2) == 0 {
            bytes += random.noise(40)
        } else if let payload = try? serde.payload(json: jsonValue(&random, depth: 0).bytes) {
            bytes += payload  // a value that does not fit is left out
        }
        if random.roll(2) == 0 { random.damage(&bytes) }
        guard let (frame, count) = SchemaFrame.read(bytes) else { return }
        try require(count <= bytes.count && !"\(frame)".isEmpty, "\(bytes) has a frame of \(count) bytes")
        let json: [UInt8]
        do throws(SchemaFailure) { json = try serde.json(bytes[count...]) } catch {
            return try require(!error.message.isEmpty, "an error without a message")
        }
        try require(JSONText.isValid(json), "\(bytes) is shown as \(json)")
        guard document.type != .json else { return }  // a payload is shown, whether it is valid or not
        do {
            let payload = try serde.payload(json: json)
            let again = try serde.json(payload[...])
            try require(again == json, "\(bytes) is shown in two ways by \(document.canonicalText)")
        } catch let error as SchemaFailure {
            throw FuzzFailure("\(bytes) is shown as \(String(decoding: json, as: UTF8.self)), which is none: \(error)")
        }
    }

    /// A schemas topic with damaged records. Whatever it holds, the state goes on and its parts agree.
    static let registryRecords = FuzzTarget(name: "registry-records", stepCount: 200) { try tryRegistryRecords(&$0) }

    private static func tryRegistryRecords(_ random: inout SeededRandom) throws {
        var state = RegistryState()
        for offset in 0..<Int64(1 + random.roll(25)) {
            let record = registryRecord(&random)
            var key = record.key.bytes
            var value = record.value
            if random.roll(5) == 0 { random.damage(&key) }
            if random.roll(4) == 0, var bytes = value {
                random.damage(&bytes)
                value = bytes
            }
            let read: RegistryRecord
            do { read = try RegistryRecord.parse(key: random.roll(50) == 0 ? nil : key, value: value) } catch {
                continue  // passed over
            }
            try require(RegistryKey.parse(read.key.bytes) == .key(read.key), "\(key) is another key when written")
            do {
                _ = try RegistryRecord.parse(key: read.key.bytes, value: read.value)
            } catch {
                throw FuzzFailure("a record that was read cannot be read again: \(error), \(key), \(value ?? [])")
            }
            state.apply(read, offset: offset, timestamp: random.number())
            state.position = offset + 1
        }
        try check(state)
        for scope in [nil, "a", ":.c:", ":.c:b", ":*:", "", ":"] as [String?] {
            _ = state.hasVersions(scope, deleted: true)
            _ = state.modeNames(inScope: scope)
            _ = state.modeInForce(scope)
            _ = state.configInForce(scope, default: .backward)
        }
        _ = state.aliases
    }

    private static func check(_ state: RegistryState) throws {
        var count = 0
        for (name, subject) in state.subjects {
            count += subject.versions.count
            let context = SubjectName(name).context
            try require(!subject.versions.isEmpty, "subject \(name) is empty")
            let numbers = subject.versions.map(\.number)
            try require(numbers == Set(numbers).sorted(), "versions \(numbers) of \(name)")
            for version in subject.versions {
                guard let used = state.identifier(version.id, in: context)?.version(of: name) else {
                    throw FuzzFailure("id \(version.id) of \(name) is unknown")
                }
                try require(state.version(name, used)?.id == version.id, "id \(version.id) leads to \(name) \(used)")
                try require(state.idMax(in: context) >= version.id, "id \(version.id) is beyond the largest")
                for place in state.identifier(version.id, in: context)?.uses ?? [] {
                    try require(
                        state.version(place.subject, place.version)?.id == version.id, "id \(version.id): \(place)")
                }
                for referrer in state.referrers(to: SubjectVersion(name, version.number)) {
                    try require(
                        state.version(referrer.from.subject, referrer.from.version)?.isDeleted == false,
                        "\(referrer) is gone")
                }
                _ = state.identifiers(version.schema.identity)
            }
        }
        try require(count == state.versionCount, "\(count) versions, counted as \(state.versionCount)")
        _ = state.contextList
    }

    private static func registryRecord(_ random: inout SeededRandom) -> RegistryRecord {
        let subjects = ["a", "b", ":.c:a", ":.c:b"]
        let subject = subjects[random.roll(subjects.count)]
        let version = Int32(1 + random.roll(4))
        switch random.roll(12) {
        case 0: return .tombstone(subject: subject, version: version)
        case 1:
            var config = RegistryConfig(level: [nil, .full, .backwardTransitive][random.roll(3)])
            config.alias = random.roll(2) == 0 ? subjects[random.roll(4)] : nil
            config.defaultMetadata = random.roll(2) == 0 ? SchemaMetadata(properties: ["p": "q"]) : nil
            return .config(subject: random.roll(3) == 0 ? nil : subject, random.roll(4) == 0 ? nil : config)
        case 2:
            let modes = [nil, RegistryMode.readOnly, .readOnlyOverride, .import]
            return .mode(subject: random.roll(3) == 0 ? nil : subject, modes[random.roll(4)])
        case 3: return .deleteSubject(subject, version: version)
        case 4: return .clearSubject([nil, subject, ":.c:"][random.roll(3)])
        case 5: return .context(".c", exists: random.roll(2) == 0)
        case 6: return .noop
        default:
            let texts = ["\"int\"", "\"long\"", AvroSubject.schemaTexts[0]]
            let references = random.roll(3) == 0 ? [StoredReference(name: "r", subject: "a", version: version)] : []
            let schema = StoredSchema(
                type: SchemaType.allCases[random.roll(3)], text: Array(texts[random.roll(3)].utf8),
                references: references,
                metadata: random.roll(4) == 0 ? SchemaMetadata(properties: ["confluent:reserved": "a, b"]) : nil)
            return .schema(
                SchemaRecord(
                    subject: subject, version: version, id: Int32(1 + random.roll(5)), schema: schema,
                    isDeleted: random.roll(4) == 0))
        }
    }
}
