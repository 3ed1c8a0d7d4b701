internal import ConnectCore

/// How tables are named after records: `${topic}` stands for the topic and, in Debezium's sink, `${source.FIELD}` for a
/// text in the `source` of a change event.
struct TableNaming: Sendable {
    private enum Piece: Sendable { case text(String), topic, source(String) }

    private let pieces: [Piece]
    private let option: String
    private let format: String
    /// Whether `.` of topics are parts of a table's name or, as Debezium has it, become `_`.
    private let foldsDots: Bool
    /// Whether records of one topic may have several tables.
    let readsEvents: Bool

    /// - Throws: `.config` for a placeholder that means nothing; Confluent's sink leaves all but `${topic}` as they
    ///   are.
    init(_ format: String, _ option: String, _ flavour: JDBCSinkPlugin.Flavour) throws(ConnectError) {
        self.format = format
        self.option = option
        foldsDots = flavour == .debezium
        var pieces: [Piece] = []
        var rest = Substring(format)
        func text(_ text: Substring) { if !text.isEmpty { pieces.append(.text(String(text))) } }
        while let start = rest.range(of: foldsDots ? "${" : "${topic}") {
            guard let end = rest[start...].firstIndex(of: "}") else {
                throw .config(option, format, "'\(rest[start...])' has no closing brace")
            }
            text(rest[..<start])
            let name = rest[start..<end].dropFirst(2)
            if name == "topic" {
                pieces.append(.topic)
            } else if name.hasPrefix("source."), name.count > 7 {
                pieces.append(.source(String(name.dropFirst(7))))
            } else {
                throw .config(
                    option, format,
                    "unknown placeholder '${\(name)}': there are ${topic} and ${source.FIELD}, a field of the event's "
                        + "source")
            }
            rest = rest[rest.index(after: end)...]
        }
        text(rest)
        self.pieces = pieces
        readsEvents = pieces.contains { if case .source = $0 { true } else { false } }
    }

    /// - Returns: nil for a record that is no change event where one is needed: a tombstone has no table then.
    /// - Throws: `.connect` where the event's source does not have the text, and for an empty name.
    func name(_ record: ConnectRecord) throws(ConnectError) -> String? {
        var name = ""
        let source = readsEvents ? DebeziumEvent.source(record) : nil
        if readsEvents, source == nil { return nil }
        for piece in pieces {
            switch piece {
            case .text(let text): name += text
            case .topic: name += foldsDots ? String(record.topic.map { $0 == "." ? "_" : $0 }) : record.topic
            case .source(let field): name += try text(field, source, record.topic)
            }
        }
        guard !name.isEmpty else {
            throw ConnectError(
                .connect,
                "Destination table name for topic '\(record.topic)' is empty using the format string '\(format)'")
        }
        return name
    }

    private func text(_ field: String, _ source: ConnectStruct?, _ topic: String) throws(ConnectError) -> String {
        let value = source?[field]
        if let text = value?.string, !text.isEmpty { return text }
        let problem =
            switch value {
            case nil: "has only the fields " + (source?.schema.fields.map(\.name).joined(separator: ", ") ?? "")
            case .null?, .string?: "has nothing in it"
            default: "has no text in it"
            }
        throw ConnectError(
            .connect,
            "No table for an event of topic '\(topic)': \(option) '\(format)' asks for field '\(field)' of the event's "
                + "source, which \(problem)")
    }
}
