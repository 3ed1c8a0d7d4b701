import Glibc
import JSONFormat

/// What statements answer, as ksqlDB's command line prints it.
enum EntityText {
    /// - Parameter entity: one element of the answer of `/ksql`.
    /// - Returns: lines without the last one's end.
    static func text(_ entity: JSONValue) -> String {
        let body = self.body(entity)
        let warnings = (entity["warnings"]?.elements ?? []).compactMap { $0["message"]?.text }
        return ([body] + warnings.map { "WARNING: " + $0 }).joined(separator: "\n")
    }

    private static func body(_ entity: JSONValue) -> String {
        switch entity["@type"]?.text {
        case "currentStatus":
            return TextGrid.message(entity["commandStatus"]?["message"]?.text ?? "")
        case "streams": return sources(entity["streams"], "Stream Name")
        case "tables": return sources(entity["tables"], "Table Name")
        case "queries": return queries(entity["queries"])
        case "kafka_topics": return topics(entity["topics"], isExtended: false)
        case "kafka_topics_extended": return topics(entity["topics"], isExtended: true)
        case "properties": return properties(entity)
        case "function_names": return functions(entity["functions"])
        case "describe_function": return FunctionText.text(entity)
        case "type_list": return types(entity["types"])
        case "variables":
            return grid(["Variable Name", "Value"], entity["variables"]) { [cell($0["name"]), cell($0["value"])] }
        case "sourceDescription":
            return SourceText.text(entity["sourceDescription"] ?? entity)
        case "source_descriptions":
            return (entity["sourceDescriptions"]?.elements ?? []).map(SourceText.text).joined(separator: "\n\n")
        case "queryDescription": return QueryText.text(entity["queryDescription"] ?? entity)
        case "query_descriptions":
            return (entity["queryDescriptions"]?.elements ?? []).map(QueryText.text).joined(separator: "\n\n")
        case "connector_list": return connectors(entity)
        case "connector_plugins_list":
            return grid(["Class", "Type", "Version"], entity["connectorsPlugins"]) {
                [cell($0["class"] ?? $0["className"]), cell($0["type"]).uppercased(), cell($0["version"])]
            }
        case "connector_description": return connector(entity)
        case "connector_info": return TextGrid.message("Created connector " + cell(entity["info"]?["name"]))
        case "drop_connector": return TextGrid.message("Dropped connector \"\(cell(entity["connectorName"]))\"")
        case "terminate_query":
            return TextGrid.message(
                entity["wasTerminated"]?.flag == false
                    ? "Query \(cell(entity["queryId"])) was not running."
                    : "Terminated query \"\(cell(entity["queryId"]))\"")
        case "assert_topic":
            return
                "Topic \(cell(entity["topicName"])) \(entity["exists"]?.flag == false ? "does not exist" : "exists")."
        case "assert_schema":
            let named = [("subject", entity["subject"]), ("id", entity["id"])].filter { !isNull($0.1) }
                .map { " \($0.0) \(cell($0.1))" }.joined()
            return "Schema with" + named + (entity["exists"]?.flag == false ? " does not exist." : " exists.")
        case "warning_entity", "error_entity", "generic":
            return TextGrid.message(cell(entity["message"] ?? entity["errorMessage"]))
        default:
            return String(decoding: entity.pretty, as: UTF8.self)
        }
    }

    // MARK: Kinds

    private static func sources(_ list: JSONValue?, _ heading: String) -> String {
        grid([heading, "Kafka Topic", "Key Format", "Value Format", "Windowed"], list) {
            [
                cell($0["name"]), cell($0["topic"]), cell($0["keyFormat"]), cell($0["valueFormat"] ?? $0["format"]),
                cell($0["isWindowed"]),
            ]
        }
    }

    private static func queries(_ list: JSONValue?) -> String {
        grid(["Query ID", "Query Type", "Status", "Sink Name", "Sink Kafka Topic", "Query String"], list) { query in
            let counts = (query["statusCount"]?.members ?? []).map { "\($0.0):\(cell($0.1))" }.joined(separator: ", ")
            return [
                cell(query["id"]), cell(query["queryType"]), counts.isEmpty ? cell(query["state"]) : counts,
                texts(query["sinks"]), texts(query["sinkKafkaTopics"]),
                oneLine(cell(query["queryString"])),
            ]
        } + "\nFor detailed information on a Query run: EXPLAIN <Query ID>;"
    }

    private static func topics(_ list: JSONValue?, isExtended: Bool) -> String {
        let headings = ["Kafka Topic", "Partitions", "Partition Replicas"]
        return grid(headings + (isExtended ? ["Consumers", "ConsumerGroups"] : []), list) { topic in
            let replicas = (topic["replicaInfo"]?.elements ?? []).map(cell)
            let sameEverywhere = Set(replicas).count <= 1
            let cells = [
                cell(topic["name"]), String(replicas.count),
                sameEverywhere ? replicas.first ?? "0" : replicas.joined(separator: ", "),
            ]
            return cells + (isExtended ? [cell(topic["consumerCount"]), cell(topic["consumerGroupCount"])] : [])
        }
    }

    private static func properties(_ entity: JSONValue) -> String {
        let overwritten = Set((entity["overwrittenProperties"]?.elements ?? []).map(cell))
        let defaults = Set((entity["defaultProperties"]?.elements ?? []).map(cell))
        let sorted = (entity["properties"]?.elements ?? []).sorted {
            (cell($0["scope"]), cell($0["name"])) < (cell($1["scope"]), cell($1["name"]))
        }
        return grid(["Property", "Scope", "Default override", "Effective Value"], .array(sorted)) { property in
            let name = cell(property["name"])
            let origin = overwritten.contains(name) ? "SESSION" : defaults.contains(name) ? "" : "SERVER"
            return [
                name, cell(property["scope"]), origin,
                isNull(property["value"]) ? "NULL" : cell(property["value"]),
            ]
        }
    }

    private static func functions(_ list: JSONValue?) -> String {
        let sorted = (list?.elements ?? []).sorted {
            (cell($0["category"]), cell($0["name"])) < (cell($1["category"]), cell($1["name"]))
        }
        var grid = TextGrid(["Function Name", "Category"])
        var category: String?
        for function in sorted {
            let own = cell(function["category"])
            if let category, category != own { grid.add([" ", " "]) }
            category = own
            grid.add([cell(function["name"]), own])
        }
        return grid.text
            + "\nFor detailed information about a function, run: DESCRIBE FUNCTION <Function Name>;"
    }

    private static func types(_ types: JSONValue?) -> String {
        let sorted = (types?.members ?? []).sorted { $0.0 < $1.0 }
        var grid = TextGrid(["Type Name", "Schema"])
        for (name, schema) in sorted { grid.add([name, SchemaText.type(schema)]) }
        return grid.text
    }

    private static func connectors(_ entity: JSONValue) -> String {
        grid(["Connector Name", "Type", "Class", "Status"], entity["connectors"]) {
            [
                cell($0["name"]), cell($0["type"]).uppercased(), cell($0["className"] ?? $0["class"]),
                cell($0["state"] ?? $0["status"]),
            ]
        }
    }

    private static func connector(_ entity: JSONValue) -> String {
        let status = entity["status"]
        var lines = [
            "Name                 : \(cell(status?["name"]))",
            "Class                : \(cell(entity["connectorClass"]))",
            "Type                 : \(cell(status?["type"]))",
            "State                : \(cell(status?["connector"]?["state"]))",
            "WorkerId             : \(cell(status?["connector"]?["worker_id"]))",
        ]
        if let trace = status?["connector"]?["trace"], !isNull(trace) {
            lines.append("Trace                : " + cell(trace))
        }
        if let tasks = status?["tasks"]?.elements, !tasks.isEmpty {
            lines += [
                "",
                grid(["Task ID", "State", "Error Trace"], .array(tasks)) {
                    [cell($0["id"]), cell($0["state"]), cell($0["trace"])]
                },
            ]
        }
        if let sources = entity["sources"]?.elements, !sources.isEmpty {
            lines += [
                "",
                grid(["KSQL Source Name", "Kafka Topic", "Type"], .array(sources)) {
                    [cell($0["name"]), cell($0["topic"]), cell($0["type"])]
                },
            ]
        }
        if let topics = entity["topics"]?.elements, !topics.isEmpty {
            lines += ["", grid(["Related Topics"], .array(topics)) { [cell($0)] }]
        }
        return lines.joined(separator: "\n")
    }

    // MARK: Cells

    static func grid(_ headings: [String], _ list: JSONValue?, _ cells: (JSONValue) -> [String]) -> String {
        var grid = TextGrid(headings)
        for element in list?.elements ?? [] { grid.add(cells(element)) }
        return grid.text
    }

    static func isNull(_ value: JSONValue?) -> Bool {
        if let value, case .null = value { return true }
        return value == nil
    }

    /// "" for nothing.
    static func cell(_ value: JSONValue?) -> String {
        guard let value, !isNull(value) else { return "" }
        return RowGrid.cell(value)
    }

    /// A text of several lines that stands on its own: tabs stay, as plans and statements are indented by them.
    static func indented(_ value: JSONValue?) -> String { TextWidth.withoutControls(value?.text ?? "", tabs: true) }

    /// "2022-03-18 15:53:22,989 (UTC)" in the zone of this machine.
    static func date(_ milliseconds: Int64) -> String {
        var seconds = time_t((Double(milliseconds) / 1000).rounded(.down))
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return String(milliseconds) }
        func text(_ format: String) -> String {
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
                guard let start = buffer.baseAddress, strftime(start, 64, format, &parts) > 0 else { return "" }
                return String(cString: start)
            }
        }
        let rest = String((milliseconds % 1000 + 1000) % 1000)
        let digits = String(repeating: "0", count: 3 - rest.count) + rest
        return text("%Y-%m-%d %H:%M:%S") + ",\(digits) (" + text("%Z") + ")"
    }

    static func texts(_ list: JSONValue?) -> String { (list?.elements ?? []).map(cell).joined(separator: ", ") }

    /// Statements are written over many lines; in a table one is enough.
    static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
