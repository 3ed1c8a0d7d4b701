import JSONFormat

/// A request for a data key.
struct DataKeyRequest: Sendable {
    var id: DataKeyID
    var encryptedMaterial: String?
    var isDeleted: Bool
}

/// A request to change a key encryption key: nil is not named, and stays; `.some(nil)` is taken back.
struct KEKChange: Sendable {
    var kmsProperties: [String: String]?
    var doc: String??
    var isShared: Bool?
}

/// The encryption keys of clients that encrypt fields (CSFLE): Confluent's DEK registry, but for what needs the keys
/// themselves. Clients encrypt their data keys with the key management service and keep them here.
///
/// - SeeAlso: upstream `AbstractDekRegistry`.
extension SchemaRegistry {
    // MARK: Key encryption keys

    /// Makes one; of a deleted one that is otherwise the same, it takes the deletion back.
    func createKEK(_ given: KeyEncryptionKey) async throws(RegistryError) -> KeyEncryptionKey {
        var kek = given
        kek.kmsType = Self.normalized(kmsType: kek.kmsType)
        let made = kek
        let limit = settings.keyCountMax
        let state = try await keys.change { state throws(RegistryError) in
            guard state.kekCount <= limit else { throw .tooManyKeys(limit) }
            if let old = state.kek(made.name, deleted: true) {
                guard made.isDeleted != old.isDeleted, old.isEquivalent(to: made) else {
                    throw .keyExists(made.name)
                }
            }
            return [.kek(made)]
        }
        return state.kek(made.name, deleted: true) ?? made
    }

    /// The services that the original's clients bring drivers for have one name each.
    private static func normalized(kmsType: String) -> String {
        let text = kmsType.lowercased()
        for (prefix, name) in [("aws", "aws-kms"), ("azure", "azure-kms"), ("gcp", "gcp-kms")]
        where text.hasPrefix(prefix) { return name }
        return kmsType
    }

    func updateKEK(_ name: String, _ change: KEKChange) async throws(RegistryError) -> KeyEncryptionKey {
        let state = try await keys.change { state throws(RegistryError) in
            guard let old = state.kek(name, deleted: false) else { throw .keyNotFound(name) }
            var kek = old
            if let properties = change.kmsProperties { kek.kmsProperties = properties }
            if let doc = change.doc { kek.doc = doc }
            if let isShared = change.isShared { kek.isShared = isShared }
            return kek == old ? [] : [.kek(kek)]
        }
        guard let kek = state.kek(name, deleted: false) else { throw .keyNotFound(name) }
        return kek
    }

    func deleteKEK(_ name: String, permanent: Bool) async throws(RegistryError) {
        _ = try await keys.change { state throws(RegistryError) in
            guard var kek = state.kek(name, deleted: true) else { throw .keyNotFound(name) }
            guard !state.hasDEKs(of: name, deleted: permanent) else { throw .keyIsUsed(name) }
            if permanent {
                guard kek.isDeleted else { throw .keyNotSoftDeleted(name) }
                return [.kekGone(name)]
            }
            if kek.isDeleted { return [] }
            kek.isDeleted = true
            return [.kek(kek)]
        }
    }

    func undeleteKEK(_ name: String) async throws(RegistryError) {
        _ = try await keys.change { state throws(RegistryError) in
            guard var kek = state.kek(name, deleted: true) else { throw .keyNotFound(name) }
            if !kek.isDeleted { return [] }
            kek.isDeleted = false
            return [.kek(kek)]
        }
    }

    // MARK: Data encryption keys

    /// - Parameter rewrap: whether a key that is there is replaced: by itself, encrypted anew.
    func createDEK(_ request: DataKeyRequest, rewrap: Bool) async throws(RegistryError) -> DataEncryptionKey {
        let id = request.id
        let limit = settings.keyCountMax
        let state = try await keys.change { state throws(RegistryError) in
            guard let kek = state.kek(id.kek, deleted: request.isDeleted) else { throw .keyNotFound(id.kek) }
            guard state.dekCount <= limit else { throw .tooManyKeys(limit) }
            let old = state.dek(id, deleted: true)
            if !rewrap, let old {
                guard request.isDeleted != old.isDeleted, old.encryptedMaterial == request.encryptedMaterial else {
                    throw .keyExists(id.subject)
                }
            }
            guard request.encryptedMaterial != nil else {
                throw kek.isShared ? .keyNotGenerated(id.subject, kek.kmsType) : .invalidKey("encryptedKeyMaterial")
            }
            if kek.isShared, old != nil { throw .keyExists(id.subject) }
            return [
                .dek(
                    DataEncryptionKey(
                        id: id, encryptedMaterial: request.encryptedMaterial, isDeleted: request.isDeleted))
            ]
        }
        guard let dek = state.dek(id, deleted: true) else { throw .keyNotFound(id.subject) }
        return dek
    }

    /// Data keys of a subject that are to be changed together.
    struct DataKeys: Sendable {
        var kek: String
        var subject: String
        var algorithm: KeyAlgorithm
        /// nil: all.
        var version: WantedVersion?

        fileprivate func found(in state: KeyState) throws(RegistryError) -> [DataEncryptionKey] {
            guard state.kek(kek, deleted: true) != nil else { throw .keyNotFound(kek) }
            let all = state.versions(of: kek, subject, algorithm, deleted: true)
            let found =
                switch version {
                case nil: all
                case .latest: Array(all.suffix(1))
                case .number(let number): all.filter { $0.id.version == number }
                }
            guard !found.isEmpty else { throw .keyNotFound(subject) }
            return found
        }
    }

    func deleteDEKs(_ wanted: DataKeys, permanent: Bool) async throws(RegistryError) {
        _ = try await keys.change { state throws(RegistryError) in
            let found = try wanted.found(in: state)
            guard permanent else {
                return found.filter { !$0.isDeleted }.map { dek in
                    var dek = dek
                    dek.isDeleted = true
                    return .dek(dek)
                }
            }
            guard found.allSatisfy(\.isDeleted) else { throw .keyNotSoftDeleted(wanted.subject) }
            return found.map { .dekGone($0.id) }
        }
    }

    func undeleteDEKs(_ wanted: DataKeys) async throws(RegistryError) {
        _ = try await keys.change { state throws(RegistryError) in
            let found = try wanted.found(in: state)
            guard state.kek(wanted.kek, deleted: false) != nil else { throw .keySoftDeleted(wanted.kek) }
            return found.filter(\.isDeleted).map { dek in
                var dek = dek
                dek.isDeleted = false
                return .dek(dek)
            }
        }
    }
}
