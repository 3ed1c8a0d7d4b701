import JSONFormat

/// What a data key encrypts with, by the original's names and in its order.
enum KeyAlgorithm: String, Sendable, Hashable, CaseIterable {
    case aes128GCM = "AES128_GCM"
    case aes256GCM = "AES256_GCM"
    case aes256SIV = "AES256_SIV"
}

/// A key that a key management service keeps, and that data keys are encrypted with (KEK). The registry knows where it
/// is, and never has it.
struct KeyEncryptionKey: Sendable, Hashable {
    var name: String
    var kmsType: String
    var kmsKeyID: String
    var kmsProperties: [String: String] = [:]
    var doc: String?
    /// Whether the original's registry would use the key itself; here it says so to clients, and no more.
    var isShared = false
    var isDeleted = false
    /// Of the record, in milliseconds since 1970; negative before there is one.
    var timestamp: Int64 = -1

    /// Whether it is the same key, deleted or not.
    func isEquivalent(to other: KeyEncryptionKey) -> Bool {
        var copy = other
        copy.isDeleted = isDeleted
        copy.timestamp = timestamp
        return copy == self
    }

    /// As the API answers it.
    var json: JSONValue { .object(described + timesOfKey(timestamp, isDeleted)) }

    fileprivate var described: [(String, JSONValue)] {
        var members: [(String, JSONValue)] = [
            ("name", .string(name)), ("kmsType", .string(kmsType)), ("kmsKeyId", .string(kmsKeyID)),
            ("kmsProps", .object(kmsProperties.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
        ]
        if let doc { members.append(("doc", .string(doc))) }
        members.append(("shared", .bool(isShared)))
        return members
    }

    fileprivate init?(record json: JSONValue, name: String) {
        guard let kmsType = json["kmsType"]?.text, let kmsKeyID = json["kmsKeyId"]?.text else { return nil }
        self.init(name: name, kmsType: kmsType, kmsKeyID: kmsKeyID)
        for (name, value) in json["kmsProps"]?.members ?? [] { kmsProperties[name] = value.text }
        doc = json["doc"]?.text
        isShared = json["shared"]?.flag ?? false
        isDeleted = json["deleted"]?.flag ?? false
    }

    init(name: String, kmsType: String, kmsKeyID: String) {
        self.name = name
        self.kmsType = kmsType
        self.kmsKeyID = kmsKeyID
    }
}

/// Which data key: one for each algorithm and version that a subject has under a key encryption key.
struct DataKeyID: Sendable, Hashable {
    var kek: String
    /// With its context.
    var subject: String
    var algorithm: KeyAlgorithm
    var version: Int32
}

/// A key that data is encrypted with (DEK), itself encrypted.
struct DataEncryptionKey: Sendable, Hashable {
    var id: DataKeyID
    /// In base 64.
    var encryptedMaterial: String?
    var isDeleted = false
    /// As of a `KeyEncryptionKey`.
    var timestamp: Int64 = -1

    /// As the API answers it.
    var json: JSONValue { .object(described + timesOfKey(timestamp, isDeleted)) }

    fileprivate var described: [(String, JSONValue)] {
        var members: [(String, JSONValue)] = [
            ("kekName", .string(id.kek)), ("subject", .string(id.subject)), ("version", .number(Int64(id.version))),
            ("algorithm", .string(id.algorithm.rawValue)),
        ]
        if let encryptedMaterial { members.append(("encryptedKeyMaterial", .string(encryptedMaterial))) }
        return members
    }
}

private func timesOfKey(_ timestamp: Int64, _ isDeleted: Bool) -> [(String, JSONValue)] {
    var members: [(String, JSONValue)] = []
    if timestamp >= 0 { members.append(("ts", .number(timestamp))) }
    if isDeleted { members.append(("deleted", .bool(true))) }
    return members
}

/// One change of the keys, as it is written to their topic.
///
/// | type | members of the key | members of the value |
/// |---|---|---|
/// | KEK | tenant, name, type | name, kmsType, kmsKeyId, kmsProps, doc (if any), shared, deleted, type |
/// | DEK | tenant, kekName, subject, algorithm, version, type | kekName to version, encryptedKeyMaterial, deleted, type |
///
/// In this order, in which Java writes them: compaction compares bytes. A null value: the key is gone for good.
///
/// - SeeAlso: upstream `EncryptionKeyId`, `EncryptionKey`.
enum KeyRecord: Sendable, Hashable {
    case kek(KeyEncryptionKey)
    case dek(DataEncryptionKey)
    case kekGone(String)
    case dekGone(DataKeyID)

    private static let tenant = ("tenant", JSONValue.string("default"))

    var key: [UInt8] {
        switch self {
        case .kek(let kek): Self.key(ofKEK: kek.name)
        case .kekGone(let name): Self.key(ofKEK: name)
        case .dek(let dek): Self.key(of: dek.id)
        case .dekGone(let id): Self.key(of: id)
        }
    }

    private static func key(ofKEK name: String) -> [UInt8] {
        JSONValue.object([tenant, ("name", .string(name)), ("type", .string("KEK"))]).bytes
    }

    private static func key(of id: DataKeyID) -> [UInt8] {
        JSONValue.object([
            tenant, ("kekName", .string(id.kek)), ("subject", .string(id.subject)),
            ("algorithm", .string(id.algorithm.rawValue)), ("version", .number(Int64(id.version))),
            ("type", .string("DEK")),
        ]).bytes
    }

    /// nil for a null value.
    var value: [UInt8]? {
        switch self {
        case .kekGone, .dekGone: nil
        case .kek(let kek):
            JSONValue.object(kek.described + [("deleted", .bool(kek.isDeleted)), ("type", .string("KEK"))]).bytes
        case .dek(let dek):
            JSONValue.object(
                [
                    ("kekName", .string(dek.id.kek)), ("subject", .string(dek.id.subject)),
                    ("algorithm", .string(dek.id.algorithm.rawValue)), ("version", .number(Int64(dek.id.version))),
                ] + (dek.encryptedMaterial.map { [("encryptedKeyMaterial", .string($0))] } ?? [])
                    + [("deleted", .bool(dek.isDeleted)), ("type", .string("DEK"))]
            ).bytes
        }
    }

    /// - Returns: nil for what is no record of a key.
    static func parse(key: [UInt8]?, value: [UInt8]?) -> KeyRecord? {
        guard let key, let name = JSONValue.parse(key), name["tenant"]?.text ?? "default" == "default" else {
            return nil
        }
        let json = value.flatMap { JSONValue.parse($0) }
        if value != nil, json?.members == nil { return nil }
        switch name["type"]?.text {
        case "KEK":
            guard let text = name["name"]?.text else { return nil }
            guard let json else { return .kekGone(text) }
            return KeyEncryptionKey(record: json, name: text).map { .kek($0) }
        case "DEK":
            guard let kek = name["kekName"]?.text, let subject = name["subject"]?.text,
                let algorithm = name["algorithm"]?.text.flatMap({ KeyAlgorithm(rawValue: $0) }),
                let version = name["version"]?.integer.flatMap(Int32.init(exactly:)), version >= 1
            else { return nil }
            let id = DataKeyID(kek: kek, subject: subject, algorithm: algorithm, version: version)
            guard let json else { return .dekGone(id) }
            return .dek(
                DataEncryptionKey(
                    id: id, encryptedMaterial: json["encryptedKeyMaterial"]?.text,
                    isDeleted: json["deleted"]?.flag ?? false))
        default: return nil
        }
    }
}
