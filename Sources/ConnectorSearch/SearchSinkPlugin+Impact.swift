package import ConnectCore

/// What other records would do to the documents.
extension SearchSinkPlugin {
    package func consequences(
        of change: RecordChange, _ properties: [String: String]
    ) -> [RecordChange.Consequence] {
        change.templates(properties)
            + change.fields.compactMap { field in
                switch (field.before, field.after) {
                case (let old?, nil):
                    return .init(breaks: false, "documents have no field \(field.name) (\(old.shown)) any more")
                case (let old?, let new?) where !old.isRelated(to: new):
                    return .init(
                        breaks: true,
                        "field \(field.name) is mapped as \(old.shown) in the index, and documents would have "
                            + "\(new.shown) in it")
                case (let old?, let new?):
                    return .init(
                        breaks: false,
                        "field \(field.name) stays mapped as \(old.shown) in the index, and documents have "
                            + "\(new.shown) in it")
                // New fields are mapped when they come.
                default: return nil
                }
            }
    }
}
