import HTTPKit
import HTTPTypes
import JSONFormat
import SchemaRules

extension RegistryAPI {
    /// `/dek-registry/v1`: the keys of clients that encrypt fields.
    mutating func addKeys() {
        addKEKs()
        addDEKs()
        addKeyDeletion()
    }

    private mutating func addKEKs() {
        let registry = registry
        get("/dek-registry/v1/keks") { exchange throws(RegistryError) in
            let names = try await registry.keys.current().kekNames(
                subjectPrefixes: exchange.call.queries("subjectPrefix"), deleted: exchange.flag("deleted"))
            return .json(.array(try exchange.page(names, .none).map { .string($0) }))
        }
        get("/dek-registry/v1/keks/{name}") { exchange throws(RegistryError) in
            let name = try exchange.kekName()
            let kek = try await registry.keys.current().kek(name, deleted: exchange.flag("deleted"))
            guard let kek else { throw .keyNotFound(name) }
            return .json(kek.json)
        }
        change(.post, "/dek-registry/v1/keks") { exchange throws(RegistryError) in
            let kek = try exchange.kek()
            if exchange.flag("testSharing"), kek.isShared { throw .keyNotGenerated("__TEST", kek.kmsType) }
            return .json(try await registry.createKEK(kek).json)
        }
        change(.put, "/dek-registry/v1/keks/{name}") { exchange throws(RegistryError) in
            let name = try exchange.kekName()
            return .json(try await registry.updateKEK(name, exchange.kekChange()).json)
        }
        post("/dek-registry/v1/keks/{name}/test") { exchange throws(RegistryError) in
            let name = try exchange.kekName()
            guard let kek = try await registry.keys.current().kek(name, deleted: false) else {
                throw .keyNotFound(name)
            }
            throw kek.isShared ? .keyNotGenerated("__TEST", kek.kmsType) : .invalidKey("shared")
        }
    }

    private mutating func addDEKs() {
        let registry = registry
        let path = "/dek-registry/v1/keks/{name}/deks"
        /// The keys, once the one that encrypts them is known to be there.
        @Sendable func keys(_ exchange: Exchange) async throws(RegistryError) -> KeyState {
            let name = try exchange.kekName()
            let state = try await registry.keys.current()
            guard state.kek(name, deleted: exchange.flag("deleted")) != nil else { throw .keyNotFound(name) }
            return state
        }
        get(path) { exchange throws(RegistryError) in
            let subjects = try await keys(exchange).subjects(
                of: exchange.kekName(), deleted: exchange.flag("deleted"))
            return .json(.array(try exchange.page(subjects, .none).map { .string($0) }))
        }
        get(path + "/{subject}/versions") { exchange throws(RegistryError) in
            let wanted = try exchange.dataKeys()
            let found = try await keys(exchange).versions(
                of: wanted.kek, wanted.subject, wanted.algorithm, deleted: exchange.flag("deleted"))
            return .json(.array(try exchange.page(found, .none).map { .number(Int64($0.id.version)) }))
        }
        for pattern in [path + "/{subject}", path + "/{subject}/versions/{version}"] {
            get(pattern) { exchange throws(RegistryError) in
                var wanted = try exchange.dataKeys()
                // Without a version it is the first one, as in the original.
                let version = wanted.version ?? .number(1)
                wanted.version = version
                let found = try await keys(exchange).versions(
                    of: wanted.kek, wanted.subject, wanted.algorithm, deleted: exchange.flag("deleted"))
                let dek =
                    switch version {
                    case .latest: found.last
                    case .number(let number): found.first { $0.id.version == number }
                    }
                guard let dek else { throw .keyNotFound(wanted.subject) }
                return .json(dek.json)
            }
        }
        for pattern in [path, path + "/{subject}"] {
            change(.post, pattern) { exchange throws(RegistryError) in
                .json(try await registry.createDEK(exchange.dataKey(), rewrap: exchange.flag("rewrap")).json)
            }
        }
    }

    private mutating func addKeyDeletion() {
        let registry = registry
        let kek = "/dek-registry/v1/keks/{name}"
        change(.delete, kek) { exchange throws(RegistryError) in
            try await registry.deleteKEK(exchange.kekName(), permanent: exchange.flag("permanent"))
            return .nothing
        }
        change(.post, kek + "/undelete") { exchange throws(RegistryError) in
            try await registry.undeleteKEK(exchange.kekName())
            return .nothing
        }
        for pattern in [kek + "/deks/{subject}", kek + "/deks/{subject}/versions/{version}"] {
            change(.delete, pattern) { exchange throws(RegistryError) in
                try await registry.deleteDEKs(exchange.dataKeys(), permanent: exchange.flag("permanent"))
                return .nothing
            }
            change(.post, pattern + "/undelete") { exchange throws(RegistryError) in
                try await registry.undeleteDEKs(exchange.dataKeys())
                return .nothing
            }
        }
    }
}

extension Exchange {
    /// The key encryption key of the path.
    fileprivate func kekName() throws(RegistryError) -> String {
        try Self.checked(kekName: call.parameters["name"])
    }

    private static func checked(kekName: String?) throws(RegistryError) -> String {
        guard let name = kekName, name.utf16.count <= 64, let first = name.first, first.isLetter || first == "_",
            name.dropFirst().allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" })
        else { throw .invalidKey("name") }
        return name
    }

    private func checked(subject: String?) throws(RegistryError) -> String {
        guard let subject, !subject.isEmpty,
            !subject.unicodeScalars.contains(where: { $0.value < 0x20 || 0x7F...0x9F ~= $0.value })
        else { throw .invalidKey("subject") }
        return dekSubject(subject)
    }

    private func algorithm() throws(RegistryError) -> KeyAlgorithm {
        guard let text = call.query("algorithm"), !text.isEmpty else { return .aes256GCM }
        guard let algorithm = KeyAlgorithm(rawValue: text) else { throw .noSuchPath }
        return algorithm
    }

    /// The data keys of path and query.
    fileprivate func dataKeys() throws(RegistryError) -> SchemaRegistry.DataKeys {
        .init(
            kek: try kekName(), subject: try checked(subject: call.parameters["subject"]), algorithm: try algorithm(),
            version: call.parameters["version"] == nil ? nil : try version())
    }

    // MARK: Bodies

    private static func text(_ json: JSONValue, _ name: String) throws(RegistryError) -> String? {
        guard let value = json[name], value != .null else { return nil }
        guard let text = value.text else { throw .malformed("'\(name)' must be a string") }
        return text
    }

    private static func flag(_ json: JSONValue, _ name: String) throws(RegistryError) -> Bool? {
        guard let value = json[name], value != .null else { return nil }
        guard let flag = value.flag else { throw .malformed("'\(name)' must be true or false") }
        return flag
    }

    private static func properties(_ json: JSONValue) throws(RegistryError) -> [String: String]? {
        guard let value = json["kmsProps"], value != .null else { return nil }
        guard let members = value.members else { throw .malformed("'kmsProps' must be an object") }
        var properties: [String: String] = [:]
        for (name, value) in members where value != .null {
            guard let text = value.text else { throw .malformed("'kmsProps.\(name)' must be a string") }
            properties[name] = text
        }
        return properties
    }

    /// The body as a key encryption key.
    fileprivate func kek() throws(RegistryError) -> KeyEncryptionKey {
        let json = try object()
        let name = try Self.checked(kekName: Self.text(json, "name"))
        guard let kmsKeyID = try Self.text(json, "kmsKeyId"), !kmsKeyID.isEmpty else { throw .invalidKey("kmsKeyId") }
        guard let kmsType = try Self.text(json, "kmsType"), !kmsType.isEmpty else { throw .invalidKey("kmsType") }
        var kek = KeyEncryptionKey(name: name, kmsType: kmsType, kmsKeyID: kmsKeyID)
        kek.kmsProperties = try Self.properties(json) ?? [:]
        kek.doc = try Self.text(json, "doc")
        kek.isShared = try Self.flag(json, "shared") ?? false
        kek.isDeleted = try Self.flag(json, "deleted") ?? false
        return kek
    }

    fileprivate func kekChange() throws(RegistryError) -> KEKChange {
        let json = try object()
        var change = KEKChange()
        if json["kmsProps"] != nil { change.kmsProperties = try Self.properties(json) ?? [:] }
        if json["doc"] != nil { change.doc = .some(try Self.text(json, "doc")) }
        change.isShared = try Self.flag(json, "shared")
        return change
    }

    /// The body as a data key; its subject may be in the path.
    fileprivate func dataKey() throws(RegistryError) -> DataKeyRequest {
        let kek = try kekName()
        let json = try object()
        let named = try Self.text(json, "subject")
        let inPath = call.parameters["subject"]
        if let named, !named.isEmpty, let inPath, named != inPath { throw .invalidKey("subject") }
        let subject = try checked(subject: inPath ?? named)
        var algorithm = KeyAlgorithm.aes256GCM
        if let text = try Self.text(json, "algorithm") {
            guard let known = KeyAlgorithm(rawValue: text) else {
                throw .malformed(
                    "'algorithm' must be one of \(KeyAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            algorithm = known
        }
        var version: Int32 = 1
        if let value = json["version"], value != .null {
            guard let number = value.integer.flatMap(Int32.init(exactly:)), number >= 1 else {
                throw .invalidKey("version")
            }
            version = number
        }
        return DataKeyRequest(
            id: DataKeyID(kek: kek, subject: subject, algorithm: algorithm, version: version),
            encryptedMaterial: try Self.text(json, "encryptedKeyMaterial"),
            isDeleted: try Self.flag(json, "deleted") ?? false)
    }
}
