internal import ConnectCore

/// What `converters` names: Debezium's own, which make other types of columns. For one thread at a time.
final class ColumnConverters {
    enum Conversion: Sendable {
        /// A number as BOOLEAN.
        case boolean
        /// What is true or false as INT16.
        case flag
        case real(isSingle: Bool)
        /// The schema of a text names its character set.
        case characterSet
    }

    private enum Converter {
        case tinyInt(NamePatterns?, isOfLengthOne: Bool)
        case sinkTypes([(columns: NamePatterns, conversion: Conversion)])
    }

    private let converters: [Converter]

    /// - Throws: `.config` for a converter that is not there.
    init(_ properties: [String: String]) throws(ConnectError) {
        var converters: [Converter] = []
        for name in (properties["converters"] ?? "").split(separator: ",").map(\.trimmingSpaces) where !name.isEmpty {
            converters.append(try Self.converter(name, properties))
        }
        self.converters = converters
    }

    private static func converter(_ name: String, _ properties: [String: String]) throws(ConnectError) -> Converter {
        func patterns(_ option: String) throws(ConnectError) -> NamePatterns? {
            guard let text = properties["\(name).\(option)"], !text.trimmingSpaces.isEmpty else { return nil }
            return try NamePatterns(text, of: "converters", from: "\(name).\(option)")
        }
        func flag(_ option: String) -> Bool {
            let text = properties["\(name).\(option)"]?.trimmingSpaces.lowercased() ?? ""
            return text.isEmpty || text == "true"
        }
        let type = properties["\(name).type"]?.trimmingSpaces ?? ""
        let packages = ["binlog", "mysql", "mariadb"].map { "io.debezium.connector.\($0).converters." }
        let simple = packages.first { type.hasPrefix($0) }.map { String(type.dropFirst($0.count)) }
        switch simple {
        case "TinyIntOneToBooleanConverter":
            return .tinyInt(try patterns("selector"), isOfLengthOne: flag("length.checker"))
        case "JdbcSinkDataTypesConverter":
            var rules: [(NamePatterns, Conversion)] = []
            if let flags = try patterns("selector.boolean") { rules.append((flags, .flag)) }
            if let reals = try patterns("selector.real") {
                rules.append((reals, .real(isSingle: !flag("treat.real.as.double"))))
            }
            if let texts = try patterns("selector.string") { rules.append((texts, .characterSet)) }
            return .sinkTypes(rules)
        default:
            throw ConfigValidator.invalid(
                "converters",
                "The class '\(type)' of '\(name).type' is not available; there are TinyIntOneToBooleanConverter and "
                    + "JdbcSinkDataTypesConverter of io.debezium.connector.binlog.converters")
        }
    }

    /// What the first converter that wants a column makes of it. The values' own types are left to the codec.
    func conversion(of column: ColumnDefinition, in table: TableID) -> Conversion? {
        guard !converters.isEmpty else { return nil }
        let name = "\(table).\(column.name)"
        for converter in converters {
            switch converter {
            case .tinyInt(let columns, let isOfLengthOne):
                let isTiny = column.typeName == "TINYINT" || column.typeName == "TINYINT UNSIGNED"
                guard isTiny, !isOfLengthOne || column.length == 1, columns?.matches(name) ?? true else { continue }
                return .boolean
            case .sinkTypes(let rules):
                if let rule = rules.first(where: { $0.columns.matches(name) }) { return rule.conversion }
            }
        }
        return nil
    }
}
