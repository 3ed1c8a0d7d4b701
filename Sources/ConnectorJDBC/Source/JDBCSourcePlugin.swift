package import ConnectCore

/// `io.confluent.connect.jdbc.JdbcSourceConnector`: rows of tables, or of a query, as records; new ones as they come.
///
/// Delivery: exactly once in the modes `incrementing` and `timestamp+incrementing` where offsets are committed with the
/// records, otherwise at least once. In mode `bulk` every round brings all rows.
package struct JDBCSourcePlugin: SourcePlugin {
    package let version: String

    package init(version: String) { self.version = version }

    package let classNames = [
        "io.confluent.connect.jdbc.JdbcSourceConnector", "io.aiven.connect.jdbc.JdbcSourceConnector", "JdbcSource",
    ]

    package var definition: ConfigDef { SourceOptions.definition }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        let problems = SourceSettings.problems(properties)
        guard problems.isEmpty else { return problems }
        do throws(ConnectError) {
            _ = try SourceSettings(properties)
            return []
        } catch {
            return [ConfigProblem("connection.url", error.message)]
        }
    }

    package func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]] {
        if let problem = SourceSettings.problems(properties).first { throw ConnectError(.connect, problem.message) }
        let settings = try SourceSettings(properties)
        let thread = WorkThread()
        let reader = SourceReader(settings) { _, _ in }
        do throws(ConnectError) {
            try await SourceConnection.connect(reader, settings, thread, TaskPause()) { _ in }
            var tables: [SourceTable] = []
            if settings.query.isEmpty {
                tables = try await SourceConnection.run(reader, thread) { () throws(SourceFailure) in
                    try reader.tables().tables
                }
            }
            await thread.run { reader.disconnect() }
            thread.end()
            return TableAssignment.configs(properties, settings, tables, countMax)
        } catch {
            await thread.run { reader.disconnect() }
            thread.end()
            throw error
        }
    }

    package func supportsExactlyOnce(_ properties: [String: String]) -> Bool {
        ["incrementing", "timestamp+incrementing"].contains((properties["mode"] ?? "").trimmed)
    }

    package func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool {
        for (partition, offset) in offsets { try SourceOffset.check(partition, offset) }
        return true
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        let settings = try SourceSettings(properties)
        let tables = try TableAssignment.tables(properties[TableAssignment.own] ?? "", settings.dialect)
        let known = try properties[TableAssignment.all].map { (text) throws(ConnectError) in
            try TableAssignment.tables(text, settings.dialect)
        }
        return JDBCSourceTask(settings, tables: tables, known: known, context)
    }
}

/// How tables are given to tasks, as texts in their configurations.
enum TableAssignment {
    static let own = "tables"
    /// All of the connector's, which its first task compares with those that there are.
    static let all = "tables.all"

    static func configs(
        _ properties: [String: String], _ settings: SourceSettings, _ tables: [SourceTable], _ countMax: Int
    ) -> [[String: String]] {
        guard settings.query.isEmpty else { return [properties.merging([own: ""]) { $1 }] }
        let names = tables.map { settings.dialect.quoted($0.id) }
        // Neighbours stay together, the first groups have one more.
        let groupCount = max(1, min(names.count, countMax))
        var configs: [[String: String]] = []
        var next = 0
        for group in 0..<groupCount {
            let count = names.count / groupCount + (group < names.count % groupCount ? 1 : 0)
            configs.append(properties.merging([own: names[next..<next + count].joined(separator: ",")]) { $1 })
            next += count
        }
        configs[0][all] = names.joined(separator: ",")
        return configs
    }

    static func tables(_ text: String, _ dialect: Dialect) throws(ConnectError) -> [SourceTable] {
        guard !text.isEmpty else { return [] }
        let mark: Unicode.Scalar = dialect.product == .mysql ? "`" : "\""
        var tables: [SourceTable] = []
        var parts = [""]
        var isQuoted = false
        var last: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == mark {
                // Two marks in a quoted name are one of it.
                if !isQuoted, last == mark { parts[parts.count - 1].unicodeScalars.append(mark) }
                isQuoted.toggle()
            } else if !isQuoted, scalar == "." {
                parts.append("")
            } else if !isQuoted, scalar == "," {
                tables.append(try table(parts, dialect))
                parts = [""]
            } else {
                parts[parts.count - 1].unicodeScalars.append(scalar)
            }
            last = scalar
        }
        tables.append(try table(parts, dialect))
        return tables
    }

    private static func table(_ parts: [String], _ dialect: Dialect) throws(ConnectError) -> SourceTable {
        switch (parts.count, dialect.product) {
        case (1, _): return SourceTable(id: TableID(name: parts[0]))
        case (2, .mysql): return SourceTable(id: TableID(catalog: parts[0], name: parts[1]))
        case (2, _): return SourceTable(id: TableID(schema: parts[0], name: parts[1]))
        case (3, _): return SourceTable(id: TableID(catalog: parts[0], schema: parts[1], name: parts[2]))
        default: throw .config(own, parts.joined(separator: "."), "A table has at most three names")
        }
    }
}
