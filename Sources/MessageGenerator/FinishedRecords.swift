/// What the records of share groups got between the definitions we have, from before share groups were finished, and
/// their first stable release (4.1; what later ones add is tagged).
///
/// - SeeAlso: KIP-932, "Record schema"; KIP-1226 for `DeliveryCompleteCount`.
private let changes: [String: [DefinitionChange]] = [
    "ShareGroupMetadataValue": [.add(.init(name: "MetadataHash", type: .int64), after: "Epoch")],
    "ShareGroupStatePartitionMetadataValue": [
        .add(.init(name: "InitializingTopics", type: .array(.structure("TopicPartitionsInfo"))), after: nil)
    ],
    "ShareSnapshotValue": [
        .retype("SnapshotEpoch", .int32),
        .add(.init(name: "DeliveryCompleteCount", type: .int32, tag: 0, defaultText: "-1"), after: "StartOffset"),
        .add(.init(name: "CreateTimestamp", type: .int64), after: "DeliveryCompleteCount"),
        .add(.init(name: "WriteTimestamp", type: .int64), after: "CreateTimestamp"),
    ],
    "ShareUpdateValue": [
        .retype("SnapshotEpoch", .int32),
        .add(.init(name: "DeliveryCompleteCount", type: .int32, tag: 0, defaultText: "-1"), after: "StartOffset"),
    ],
]

private enum DefinitionChange: Sendable {
    /// A field in all versions; nil puts it first.
    case add(Definition.Field, after: String?)
    case retype(String, FieldType)
}

extension Definition {
    /// This definition as it was released.
    func finished() throws -> Definition {
        var finished = self
        for change in changes[name] ?? [] {
            switch change {
            case .add(let field, let previous):
                guard let previous else {
                    finished.fields.insert(field, at: 0)
                    continue
                }
                finished.fields.insert(field, at: try finished.position(of: previous) + 1)
            case .retype(let field, let type): finished.fields[try finished.position(of: field)].type = type
            }
        }
        return finished
    }

    private func position(of field: String) throws -> Int {
        guard let position = fields.firstIndex(where: { $0.name == field }) else {
            throw GeneratorError("\(name) has no field \(field)")
        }
        return position
    }
}

extension Definition.Field {
    /// A field of all versions of a message.
    init(name: String, type: FieldType, isNullable: Bool = false, tag: Int? = nil, defaultText: String? = nil) {
        self.init(
            name: name, type: type, versions: .all, nullableVersions: isNullable ? .all : .none,
            taggedVersions: tag == nil ? .none : .all,
            tag: tag, followsFlexibility: true, ignorable: false, defaultText: defaultText, fields: [])
    }
}
