import JSONFormat

/// Schemas of fields, as DESCRIBE shows them.
enum SchemaText {
    /// - Parameter schema: `{"type", "fields", "memberSchema", "parameters"}`.
    static func type(_ schema: JSONValue?) -> String {
        guard let schema, let type = schema["type"]?.text else { return "" }
        switch type {
        case "STRING": return "VARCHAR(STRING)"
        case "ARRAY": return "ARRAY<\(self.type(schema["memberSchema"]))>"
        case "MAP": return "MAP<STRING, \(self.type(schema["memberSchema"]))>"
        case "STRUCT":
            let fields = (schema["fields"]?.elements ?? []).map {
                "\(EntityText.cell($0["name"])) \(self.type($0["schema"]))"
            }
            return "STRUCT<\(fields.joined(separator: ", "))>"
        case "DECIMAL":
            let parameters = schema["parameters"]
            return "DECIMAL(\(EntityText.cell(parameters?["precision"])), \(EntityText.cell(parameters?["scale"])))"
        default: return type
        }
    }

    static func fields(_ list: JSONValue?, isTable: Bool, window: String?) -> String {
        EntityText.grid(["Field", "Type"], list) { field in
            let type = type(field["schema"])
            guard let role = role(field, isTable: isTable, window: window) else {
                return [EntityText.cell(field["name"]), type]
            }
            return [EntityText.cell(field["name"]), TextWidth.padded(type, to: 16) + " " + role]
        }
    }

    private static func role(_ field: JSONValue, isTable: Bool, window: String?) -> String? {
        switch field["type"]?.text ?? field["fieldType"]?.text {
        case "KEY": (isTable ? "(primary key)" : "(key)") + (window.map { " (Window type: \($0))" } ?? "")
        case "HEADER": field["headerKey"]?.text.map { "(header('\($0)'))" } ?? "(headers)"
        default: nil
        }
    }
}

/// DESCRIBE of a stream or table.
enum SourceText {
    static func text(_ source: JSONValue) -> String {
        func cell(_ name: String) -> String { EntityText.cell(source[name]) }
        let isTable = cell("type") == "TABLE"
        let window = source["windowType"]?.text
        let fields = SchemaText.fields(source["fields"], isTable: isTable, window: window)
        guard source["extended"]?.flag == true else {
            return """
                Name                 : \(cell("name"))
                \(fields)
                For runtime statistics and query details run: DESCRIBE <Stream,Table> EXTENDED;
                """
        }
        var lines = [
            "Name                 : \(cell("name"))", "Type                 : \(cell("type"))",
            "Timestamp field      : \(cell("timestamp").isEmpty ? "Not set - using <ROWTIME>" : cell("timestamp"))",
            "Key format           : \(cell("keyFormat"))", "Value format         : \(cell("valueFormat"))",
            // Nothing is known of a topic that could not be looked at.
            "Kafka topic          : \(cell("topic"))"
                + (source["partitions"]?.integer == 0
                    ? "" : " (partitions: \(cell("partitions")), replication: \(cell("replication")))"),
            "Statement            : \(EntityText.indented(source["statement"]))", "", fields,
        ]
        let constraints = (source["sourceConstraints"]?.elements ?? []).map(EntityText.cell)
        if !constraints.isEmpty {
            lines += ["", "Sources that have a DROP constraint on this source", String(repeating: "-", count: 50)]
            lines += constraints
        }
        lines += queries(source["readQueries"], "Queries that read from this \(cell("type"))")
        lines += queries(source["writeQueries"], "Queries that write from this \(cell("type"))")
        let byHost = (source["clusterStatistics"]?.elements ?? []) + (source["clusterErrorStats"]?.elements ?? [])
        if byHost.isEmpty {
            lines += ["", "Local runtime statistics", String(repeating: "-", count: 24), cell("statistics")]
            lines.append(cell("errorStats"))
        } else {
            lines += ["", "Runtime statistics by host", String(repeating: "-", count: 25)]
            let sorted = byHost.sorted {
                (EntityText.cell($0["host"]), EntityText.cell($0["name"]))
                    < (EntityText.cell($1["host"]), EntityText.cell($1["name"]))
            }
            lines.append(
                EntityText.grid(["Host", "Metric", "Value", "Last Message"], .array(sorted)) { stat in
                    let time = stat["timestamp"]?.integer ?? 0
                    return [
                        EntityText.cell(stat["host"]), EntityText.cell(stat["name"]), EntityText.cell(stat["value"]),
                        time > 0 ? String(time) : "",
                    ]
                })
        }
        lines.append(
            "(Statistics of the local KSQL server interaction with the Kafka topic \(cell("topic")))")
        let groups = source["queryOffsetSummaries"]?.elements ?? []
        if !groups.isEmpty { lines += ["", "Consumer Groups summary:"] }
        for group in groups {
            lines += ["", "Consumer Group       : \(EntityText.cell(group["groupId"]))"]
            let topics = group["topicSummaries"]?.elements ?? []
            if topics.isEmpty { lines.append("<no offsets committed by this group yet>") }
            for topic in topics {
                var lagMax: Int64 = 0
                for partition in topic["offsets"]?.elements ?? [] { lagMax = max(lagMax, lag(partition)) }
                lines += [
                    "", "Kafka topic          : \(EntityText.cell(topic["kafkaTopic"]))",
                    "Max lag              : \(lagMax)", "",
                ]
                lines.append(
                    EntityText.grid(["Partition", "Start Offset", "End Offset", "Offset", "Lag"], topic["offsets"]) {
                        partition in
                        let end = partition["logEndOffset"]?.integer ?? 0
                        let offset = partition["consumerOffset"]?.integer ?? 0
                        return [
                            EntityText.cell(partition["partition"]), EntityText.cell(partition["logStartOffset"]),
                            String(end), String(offset), String(lag(partition)),
                        ]
                    })
            }
        }
        return lines.joined(separator: "\n")
    }

    /// How far a group is behind, whatever numbers a server answers.
    private static func lag(_ partition: JSONValue) -> Int64 {
        let end: Int64 = partition["logEndOffset"]?.integer ?? 0
        let offset: Int64 = partition["consumerOffset"]?.integer ?? 0
        let (lag, overflows) = end.subtractingReportingOverflow(offset)
        return overflows ? (end > offset ? .max : 0) : max(0, lag)
    }

    private static func queries(_ list: JSONValue?, _ title: String) -> [String] {
        let queries = list?.elements ?? []
        guard !queries.isEmpty else { return [] }
        return ["", title, String(repeating: "-", count: 35)]
            + queries.map { query in
                "\(EntityText.cell(query["id"])) (\(EntityText.cell(query["state"]))) : "
                    + EntityText.oneLine(EntityText.cell(query["queryString"]))
            } + ["", "For query topology and execution plan please run: EXPLAIN <QueryId>"]
    }
}

/// EXPLAIN.
enum QueryText {
    static func text(_ query: JSONValue) -> String {
        func cell(_ name: String) -> String { EntityText.cell(query[name]) }
        func text(_ name: String) -> String { EntityText.indented(query[name]) }
        var lines = ["ID                   : \(cell("id"))", "Query Type           : \(cell("queryType"))"]
        if !text("statementText").isEmpty { lines.append("SQL                  : \(text("statementText"))") }
        let hosts = (query["ksqlHostQueryStatus"]?.members ?? []).map { "\($0.0):\(EntityText.cell($0.1))" }
        if !hosts.isEmpty { lines.append("Host Query Status    : {\(hosts.joined(separator: ", "))}") }
        let fields = query["fields"]?.elements ?? []
        if !fields.isEmpty {
            lines += ["", SchemaText.fields(.array(fields), isTable: false, window: query["windowType"]?.text)]
        }
        for (title, name) in [("Sources", "sources"), ("Sinks", "sinks")] {
            let names = (query[name]?.elements ?? []).map(EntityText.cell)
            if !names.isEmpty {
                lines += ["", "\(title) that this query \(name == "sources" ? "reads from" : "writes to"): "]
                lines += [String(repeating: "-", count: 35)] + names
                let (what, id) = name == "sources" ? ("source", "SourceId") : ("sink", "SinkId")
                lines += ["", "For \(what) description please run: DESCRIBE [EXTENDED] <\(id)>"]
            }
        }
        if !text("executionPlan").isEmpty {
            lines += ["", "Execution plan", String(repeating: "-", count: 14), text("executionPlan")]
        }
        if !text("topology").isEmpty {
            lines += ["", "Processing topology", String(repeating: "-", count: 19), text("topology")]
        }
        lines += upgrade(query["upgrade"]) + analysis(query["analysis"])
        let overridden = query["overriddenProperties"]?.members ?? []
        if !overridden.isEmpty {
            lines += ["", "Overridden Properties", String(repeating: "-", count: 21)]
            var grid = TextGrid(["Property", "Value"])
            for (name, value) in overridden { grid.add([name, EntityText.cell(value)]) }
            lines.append(grid.text)
        }
        let errors = query["queryErrors"]?.elements ?? []
        if !errors.isEmpty {
            lines.append("")
            for error in errors {
                let time = error["timestamp"]?.integer ?? 0
                lines += [
                    "Error Date           : \(EntityText.date(time))",
                    "Error Details        : \(EntityText.cell(error["errorMessage"] ?? error["message"]))",
                    "Error Type           : \(EntityText.cell(error["type"]))",
                ]
            }
        }
        return lines.joined(separator: "\n")
    }

    /// What CREATE OR REPLACE would do.
    private static func upgrade(_ upgrade: JSONValue?) -> [String] {
        guard let upgrade else { return [] }
        let downstream = (upgrade["downstream"]?.elements ?? []).map(EntityText.cell)
        return [
            "", "Upgrade", String(repeating: "-", count: 7),
            "Verdict              : \(EntityText.cell(upgrade["verdict"]))",
            "Reason               : \(EntityText.cell(upgrade["reason"]))",
            "Downstream           : \(downstream.isEmpty ? "nothing" : downstream.joined(separator: ", "))",
        ]
    }

    /// What EXPLAIN ANALYZE counted.
    private static func analysis(_ analysis: JSONValue?) -> [String] {
        guard let analysis else { return [] }
        let names = ["in", "out", "filtered", "late", "failed", "unmatched", "stateRows"]
        var lines = ["", "Analysis", String(repeating: "-", count: 8), EntityText.cell(analysis["summary"])]
        if analysis["steps"]?.elements?.isEmpty == false {
            lines.append(
                EntityText.grid(["Step", "Operation"] + names, analysis["steps"]) { step in
                    [EntityText.cell(step["name"]), EntityText.cell(step["operation"])]
                        + names.map { EntityText.cell(step[$0]) }
                })
        }
        return lines
    }
}

/// DESCRIBE FUNCTION.
enum FunctionText {
    static func text(_ entity: JSONValue) -> String {
        func line(_ title: String, _ name: String) -> String? {
            let value = EntityText.cell(entity[name])
            return value.isEmpty ? nil : TextWidth.padded(title, to: 12) + ": " + value
        }
        var lines = [
            line("Name", "name"), line("Author", "author"), line("Version", "version"),
            line("Overview", "description"), line("Type", "type"), line("Jar", "path"),
        ].compactMap { $0 }
        lines.append("Variations  : ")
        for variation in entity["functions"]?.elements ?? [] {
            let arguments = variation["arguments"]?.elements ?? []
            let list = arguments.map { argument in
                let name = EntityText.cell(argument["name"])
                return (name.isEmpty ? "" : name + " ") + EntityText.cell(argument["type"])
                    + (argument["isVariadic"]?.flag == true ? "[]" : "")
            }.joined(separator: ", ")
            lines.append("")
            lines.append("\tVariation   : \(EntityText.cell(entity["name"]))(\(list))")
            lines.append("\tReturns     : \(EntityText.cell(variation["returnType"]))")
            let description = EntityText.cell(variation["description"])
            if !description.isEmpty { lines.append("\tDescription : \(description)") }
            for argument in arguments {
                let text = EntityText.cell(argument["description"])
                if !text.isEmpty {
                    lines.append("\t" + TextWidth.padded(EntityText.cell(argument["name"]), to: 12) + ": " + text)
                }
            }
        }
        return lines.joined(separator: "\n")
    }
}
