/// All encryption keys: the sum of the records of their topic. Pure.
struct KeyState: Sendable {
    private var keks: [String: KeyEncryptionKey] = [:]
    private var deks: [DataKeyID: DataEncryptionKey] = [:]
    /// Offset of the next record to apply.
    var position: Int64 = 0

    /// - Parameter timestamp: of the record, in milliseconds since 1970.
    mutating func apply(_ record: KeyRecord, timestamp: Int64) {
        switch record {
        case .kek(var kek):
            kek.timestamp = timestamp
            keks[kek.name] = kek
        case .dek(var dek):
            dek.timestamp = timestamp
            deks[dek.id] = dek
        case .kekGone(let name): keks[name] = nil
        case .dekGone(let id): deks[id] = nil
        }
    }

    var kekCount: Int { keks.count }
    var dekCount: Int { deks.count }

    /// - Parameter deleted: whether one that is deleted counts.
    func kek(_ name: String, deleted: Bool) -> KeyEncryptionKey? {
        keks[name].flatMap { deleted || !$0.isDeleted ? $0 : nil }
    }

    /// Names of key encryption keys, sorted.
    ///
    /// - Parameter prefixes: of subjects that have data keys under them; any when empty.
    func kekNames(subjectPrefixes prefixes: [String], deleted: Bool) -> [String] {
        guard !prefixes.isEmpty else { return keks.values.filter { deleted || !$0.isDeleted }.map(\.name).sorted() }
        let matching = deks.values.filter { dek in
            (deleted || !dek.isDeleted) && prefixes.contains { dek.id.subject.hasPrefix($0) }
        }
        return Set(matching.map(\.id.kek)).sorted()
    }

    func dek(_ id: DataKeyID, deleted: Bool) -> DataEncryptionKey? {
        deks[id].flatMap { deleted || !$0.isDeleted ? $0 : nil }
    }

    func hasDEKs(of kek: String, deleted: Bool) -> Bool {
        deks.values.contains { $0.id.kek == kek && (deleted || !$0.isDeleted) }
    }

    /// Subjects that have data keys under a key encryption key, sorted.
    func subjects(of kek: String, deleted: Bool) -> [String] {
        Set(deks.values.filter { $0.id.kek == kek && (deleted || !$0.isDeleted) }.map(\.id.subject)).sorted()
    }

    /// The versions of a data key, oldest first.
    func versions(
        of kek: String, _ subject: String, _ algorithm: KeyAlgorithm, deleted: Bool
    ) -> [DataEncryptionKey] {
        deks.values.filter { dek in
            dek.id.kek == kek && dek.id.subject == subject && dek.id.algorithm == algorithm
                && (deleted || !dek.isDeleted)
        }.sorted { $0.id.version < $1.id.version }
    }
}
