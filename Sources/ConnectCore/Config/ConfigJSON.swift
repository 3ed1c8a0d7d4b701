package import JSONFormat

extension ConfigDef.Option {
    /// As `GET /connector-plugins/{plugin}/config` shows it.
    package var json: JSONValue {
        let shownDefault: JSONValue
        if case .value(let item) = defaultValue { shownDefault = .string(item.text) } else { shownDefault = .null }
        return .object([
            ("name", .string(name)), ("type", .string(kind.rawValue)), ("required", .bool(defaultValue == .required)),
            ("default_value", shownDefault), ("importance", .string(importance.rawValue)),
            ("documentation", .string(documentation)), ("group", .string(group)),
            ("order_in_group", .number(Int64(orderInGroup))), ("width", .string(width.rawValue)),
            ("display_name", .string(displayName)), ("dependents", .array(dependents.map { .string($0) })),
        ])
    }
}

extension ConfigFinding {
    /// As one element of `configs` in the answer to `validate`.
    package var json: JSONValue {
        .object([
            ("definition", option.json),
            (
                "value",
                .object([
                    ("name", .string(option.name)), ("value", .string(value.text)),
                    ("recommended_values", .array(recommended.map { .string($0.text) })),
                    ("errors", .array(errors.map { .string($0) })), ("visible", .bool(isVisible)),
                ])
            ),
        ])
    }
}

extension ConfigDef {
    /// The body that answers `PUT /connector-plugins/{plugin}/config/validate`.
    ///
    /// - Parameter name: the connector's class as the configuration has it.
    package static func validation(_ name: String, groups: [String], _ findings: [ConfigFinding]) -> JSONValue {
        .object([
            ("name", .string(name)),
            ("error_count", .number(Int64(findings.reduce(0) { $0 + $1.errors.count }))),
            ("groups", .array(groups.map { .string($0) })), ("configs", .array(findings.map(\.json))),
        ])
    }

    /// Groups in the order in which options first name them.
    package var groups: [String] {
        var groups: [String] = []
        for case let group? in options.map(\.group) where !groups.contains(group) { groups.append(group) }
        return groups
    }

    /// The message with which a configuration is refused; nil when nothing is wrong with it.
    package static func refusal(_ findings: [ConfigFinding]) -> String? {
        let errors = findings.flatMap(\.errors)
        guard !errors.isEmpty else { return nil }
        return "Connector configuration is invalid and contains the following \(errors.count) error(s):\n"
            + errors.joined(separator: "\n")
            + "\nYou can also find the above list of errors at the endpoint "
            + "`/connector-plugins/{connectorType}/config/validate`"
    }
}
