package import ConnectCore

/// What other records would do to the tables.
extension JDBCSinkPlugin {
    package func consequences(
        of change: RecordChange, _ properties: [String: String]
    ) -> [RecordChange.Consequence] {
        // A configuration that does not hold has no connector that runs.
        guard let settings = try? SinkSettings(properties, flavour) else { return [] }
        let keyOption = flavour.keyFieldsOption
        let takenOption = flavour.takenFieldsOption
        var found: [RecordChange.Consequence] = []
        switch settings.keyMode {
        case .recordKey: found += change.named(settings.keyFields, by: "option '\(keyOption)'", in: .key)
        case .recordValue: found += change.named(settings.keyFields, by: "option '\(keyOption)'", in: .value)
        case .none, .kafka, .recordHeader: break
        }
        found += change.named(settings.takenFields.sorted(), by: "option '\(takenOption)'", in: .value)
        let named = Set(settings.keyFields).union(settings.takenFields)
        if let problem = problem(change.after, settings), self.problem(change.before, settings) == nil {
            found.append(.init(breaks: true, "no row could be written: \(problem)"))
        }
        // Change events have their rows inside.
        for field in opened(change, settings).fields where settings.takes(field.name) {
            switch (field.before, field.after) {
            case (nil, let new?): found += added(field.name, new, settings)
            case (let old?, nil) where !named.contains(field.name):
                found.append(.init(breaks: false, "column \(field.name) (\(old.shown)) is not written any more"))
            case (let old?, let new?):
                found.append(
                    old.isRelated(to: new)
                        ? .init(
                            breaks: false,
                            "column \(field.name) keeps its type: \(old.shown) becomes \(new.shown), and values that it "
                                + "cannot hold are refused")
                        : .init(
                            breaks: true,
                            "column \(field.name) was made for \(old.shown), and would get \(new.shown)"))
            default: break
            }
        }
        return found
    }

    /// Why records of such schemas have no columns; nil when they have.
    private func problem(_ record: ConnectRecord, _ settings: SinkSettings) -> String? {
        do throws(ConnectError) {
            _ = try FieldsMetadata(
                TableID(name: record.topic), settings, key: record.key.schema, value: opened(record, settings))
            return nil
        } catch { return error.message }
    }

    private func opened(_ record: ConnectRecord, _ settings: SinkSettings) -> ConnectSchema? {
        let schema = record.value.schema
        guard settings.flavour == .debezium, let after = schema?.field("after"), schema?.field("op") != nil else {
            return schema
        }
        return after.schema
    }

    private func opened(_ change: RecordChange, _ settings: SinkSettings) -> RecordChange {
        var opened = change
        opened.before.value.schema = self.opened(change.before, settings)
        opened.after.value.schema = self.opened(change.after, settings)
        return opened
    }

    private func added(
        _ name: String, _ schema: ConnectSchema, _ settings: SinkSettings
    ) -> [RecordChange.Consequence] {
        guard settings.evolves else {
            return [
                .init(
                    breaks: true,
                    "field \(name) (\(schema.shown)) is new, and "
                        + (flavour == .debezium ? "schema.evolution is 'none'" : "auto-evolution is disabled")
                        + ": a table without a column for it takes no more rows")
            ]
        }
        guard schema.isOptional || schema.defaultValue != nil else {
            return [
                .init(
                    breaks: true,
                    "field \(name) (\(schema.shown)) is new, and no column can be added for it, as it is not optional "
                        + "and has no default")
            ]
        }
        return [.init(breaks: false, "the table gets a column for field \(name) (\(schema.shown))")]
    }
}
