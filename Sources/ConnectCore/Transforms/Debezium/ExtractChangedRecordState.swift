/// `io.debezium.transforms.ExtractChangedRecordState`: headers with the names of the fields that an update changes, and
/// of those that it does not. Other events of rows get the headers without names; what is no such event passes as it is.
struct ExtractChangedRecordState: Transformation {
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "header.changed.name", .string, .null, nil, .low, "The header for the fields that change; none without it.",
            width: .long, displayName: "Header change name.")
        definition.define(
            "header.unchanged.name", .string, .null, nil, .low,
            "The header for the fields that do not change; none without it.", width: .long,
            displayName: "Header unchanged name.")
        return definition
    }()

    private let changedName: String?
    private let unchangedName: String?

    init(_ values: ConfigValues) {
        changedName = values.text("header.changed.name")
        unchangedName = values.text("header.unchanged.name")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let schema = record.value.schema, ExtractNewRecordState.isEvent(schema),
            let event = record.value.value.structure
        else { return record }
        var changed: [ConnectValue] = []
        var unchanged: [ConnectValue] = []
        if let before = event["before"]?.structure, let after = event["after"]?.structure {
            for (index, field) in after.schema.fields.enumerated() {
                guard let place = before.schema.index(of: field.name) else {
                    throw .data("\(field.name) is not a valid field name")
                }
                if before.values[place] == after.values[index] {
                    unchanged.append(.string(field.name))
                } else {
                    changed.append(.string(field.name))
                }
            }
        }
        var record = record
        for case (let name?, let names) in [(changedName, changed), (unchangedName, unchanged)] {
            let schema = ConnectSchema(.array, isOptional: true, name: name, valueSchema: .optionalString)
            record.headers.append(ConnectHeader(name, schema, .array(names)))
        }
        return record
    }
}
