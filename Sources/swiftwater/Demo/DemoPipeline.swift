import ArgumentParser
import JSONFormat

/// A pipeline that the demonstration runs: a file of statements, and one that says what must come out of it.
struct DemoPipeline {
    enum Name: String, CaseIterable, ExpressibleByArgument { case ratings, widgets, balance, talk }

    var name: Name
    var title: String
    /// Variables of the statements, and their values unless others are given.
    var variables: [(name: String, value: String)]
    var script: DemoScript
    /// The query whose rows are shown while the pipeline runs.
    var live: String
    /// Statements to try while it runs.
    var tries: [String]
    /// As the console takes it; nil when there is none.
    var dashboard: JSONValue?
    var stages: [DemoStage]

    /// - Throws: `CommandFailure` that names the file and what is wrong in it.
    init(_ name: Name) throws {
        self.name = name
        let file = name.rawValue + ".json"
        guard let json = JSONValue.parse(try DemoFiles.bytes(file)) else { throw CommandFailure("\(file) is no JSON") }
        func text(_ member: String) throws -> String {
            guard let text = json[member]?.text else { throw CommandFailure("\(file) has no text '\(member)'") }
            return text
        }
        title = try text("title")
        live = try text("live")
        tries = json["try"]?.elements?.compactMap(\.text) ?? []
        variables = (json["variables"]?.members ?? []).compactMap { name, value in value.text.map { (name, $0) } }
        script = DemoScript(try DemoFiles.text(name.rawValue + ".sql"))
        if let board = json["dashboard"]?.text {
            guard let value = JSONValue.parse(try DemoFiles.bytes(board)) else {
                throw CommandFailure("\(board) is no JSON")
            }
            dashboard = value
        }
        guard let stages = json["stages"]?.elements, !stages.isEmpty else {
            throw CommandFailure("\(file) has no stages")
        }
        self.stages = try stages.map { stage in
            guard let stage = DemoStage(stage) else {
                throw CommandFailure("\(file): not a stage: \(String(decoding: stage.bytes, as: UTF8.self))")
            }
            return stage
        }
    }
}
