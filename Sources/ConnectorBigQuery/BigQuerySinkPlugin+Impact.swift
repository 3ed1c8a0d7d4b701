package import ConnectCore

/// What other records would do to tables, by the rules of `SchemaChange`.
extension BigQuerySinkPlugin {
    package func consequences(
        of change: RecordChange, _ properties: [String: String]
    ) -> [RecordChange.Consequence] {
        func allows(_ option: String) -> Bool { properties[option]?.lowercased() == "true" }
        let allowsNew = allows("allowNewBigQueryFields")
        let allowsRelaxation = allows("allowBigQueryRequiredFieldRelaxation")
        let hasRequired = !allows("allBQFieldsNullable")
        return change.templates(properties)
            + change.fields.compactMap { field in
                switch (field.before, field.after) {
                case (let old?, nil):
                    let isMissed =
                        hasRequired && !old.isOptional && old.kind != .array && old.kind != .map && !allowsRelaxation
                    return .init(
                        breaks: isMissed,
                        "rows have no value of column \(field.name) (\(old.shown)) any more"
                            + (isMissed
                                ? ", which is REQUIRED: allowBigQueryRequiredFieldRelaxation=true would change it" : "")
                    )
                case (nil, let new?):
                    if !allowsNew {
                        return .init(
                            breaks: true,
                            "field \(field.name) (\(new.shown)) is no column, and must not become one without "
                                + "allowNewBigQueryFields=true")
                    }
                    let isRequired = hasRequired && !new.isOptional && new.kind != .array && new.kind != .map
                    if isRequired, !allowsRelaxation {
                        return .init(
                            breaks: true,
                            "field \(field.name) (\(new.shown)) is required, and becomes no column without "
                                + "allowBigQueryRequiredFieldRelaxation=true")
                    }
                    return .init(breaks: false, "field \(field.name) (\(new.shown)) becomes a column")
                case (let old?, let new?):
                    return .init(
                        breaks: !old.isRelated(to: new),
                        "column \(field.name) stays what \(old.shown) made it, and rows would have \(new.shown) in it")
                case (nil, nil): return nil
                }
            }
    }
}
