import ConnectCore

/// A table of the project.
struct TableName: Sendable, Hashable, CustomStringConvertible {
    var dataset: String
    var table: String

    var description: String { "table `\(dataset)`.`\(table)`" }

    init(dataset: String, table: String) {
        self.dataset = dataset
        self.table = table
    }

    /// The table of a topic: by the map, or by the topic's name, which may name a dataset, too: `dataset:table`.
    ///
    /// - Throws: `.connect` in the original's words for a topic with several colons.
    /// - SeeAlso: the original's `TableNameUtils`.
    init(topic: String, _ settings: BigQuerySettings) throws(ConnectError) {
        dataset = settings.dataset
        if let tables = settings.tables {
            table = tables[topic] ?? topic
            return
        }
        let parts = topic.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        switch (parts.first, parts.count) {
        case (let first?, 1): table = first
        case (let first?, 2):
            dataset = first
            table = parts[1]
        default:
            throw ConnectError(
                .connect,
                "Incorrect regex replacement format in topic name '\(topic)'. SMT replacement should either produce the "
                    + "<dataset>:<tableName> format or just the <tableName> format.")
        }
        if settings.sanitizesTopics { table = ColumnName.sanitized(table) }
    }
}

enum ColumnName {
    /// Letters, digits and underscores stay, all others become underscores; a digit at the beginning gets one before it.
    ///
    /// - SeeAlso: the original's `FieldNameSanitizer`.
    static func sanitized(_ name: String) -> String {
        var output = ""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_": output.unicodeScalars.append(scalar)
            default: output += "_"
            }
        }
        if let first = output.unicodeScalars.first, "0"..."9" ~= first { output = "_" + output }
        return output
    }
}
