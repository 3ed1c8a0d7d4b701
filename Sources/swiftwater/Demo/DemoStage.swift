import JSONFormat

/// A stage of a pipeline, and by what one sees that it works.
struct DemoStage: Sendable {
    enum Check: Sendable {
        /// A query gives at least so many rows. `expect`: what the first ones are; `each`: what each is.
        case rows(query: String, count: Int, expect: [JSONValue], each: JSONValue?)
        /// The registry has a schema of the subject.
        case subject(String)
        /// At least so many messages with this text came to the webhook.
        case messages(containing: String, count: Int)
        /// The console has a dashboard.
        case dashboard(String)
        /// A folder of the data lake has at least so many whole Parquet files.
        case files(folder: String, count: Int)
        /// An index of the search server has at least so many documents.
        case index(String, count: Int)
        /// Connectors run, and so do all their tasks.
        case connectors([String])
    }

    /// What a failure is reported by.
    var name: String
    /// What is true when the stage works.
    var says: String
    var check: Check

    /// - Returns: nil for what is no stage.
    init?(_ json: JSONValue) {
        guard let name = json["name"]?.text, let says = json["says"]?.text else { return nil }
        self.name = name
        self.says = says
        let count = json["rows"]?.integer.map { Int($0) } ?? 1
        if let query = json["query"]?.text {
            check = .rows(query: query, count: count, expect: json["expect"]?.elements ?? [], each: json["each"])
        } else if let subject = json["subject"]?.text {
            check = .subject(subject)
        } else if let text = json["messages"]?.text {
            check = .messages(containing: text, count: count)
        } else if let id = json["dashboard"]?.text {
            check = .dashboard(id)
        } else if let folder = json["files"]?.text {
            check = .files(folder: folder, count: count)
        } else if let index = json["index"]?.text {
            check = .index(index, count: count)
        } else if let names = json["connectors"]?.elements?.compactMap(\.text), !names.isEmpty {
            check = .connectors(names)
        } else {
            return nil
        }
    }

    /// What is wrong with the rows of a query; nil when they are as they must be.
    static func problem(of rows: [[JSONValue]], count: Int, expect: [JSONValue], each: JSONValue?) -> String? {
        func text(_ value: JSONValue) -> String { String(decoding: value.bytes, as: UTF8.self) }
        for (index, expected) in expect.enumerated() where index < rows.count {
            let row = text(.array(rows[index]))
            if row != text(expected) { return "row \(index + 1) is \(row), not \(text(expected))" }
        }
        if let each {
            let expected = text(each)
            for (index, row) in rows.enumerated() where text(.array(row)) != expected {
                return "row \(index + 1) is \(text(.array(row))), not \(expected)"
            }
        }
        return rows.count < count ? "\(rows.count) of \(count) rows came" : nil
    }
}
