import Administration
import ArgumentParser
import Cluster
import ConnectService
import JSONFormat
import NIOCore
import RecordBatches

struct DeadLetterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dlq", abstract: "Browse records that sinks could not take, mend them, and send them again.",
        discussion: """
            EXAMPLES
              swiftwater connect dlq list
              swiftwater connect dlq show ratings-sink
              swiftwater connect dlq redrive ratings-sink --dry-run
            """,
        subcommands: [DeadLetterList.self, DeadLetterShow.self, DeadLetterRedrive.self])
}

/// The letters of one connector or topic.
struct DeadLetterSource: ParsableArguments {
    @Argument(help: "A connector with a topic of dead letters, or with --topic such a topic.")
    var name: String
    @Flag(help: "The name is the topic's: no Connect worker is asked.") var topic = false
    @OptionGroup var connect: ConnectOptions
    @OptionGroup var connection: ConnectionOptions

    /// The topic that the letters are in.
    func find() async throws -> String {
        if topic { return name }
        let config = try await connect.explaining(connector: name) { client in
            try await client.exchange("GET", ["connectors", name, "config"])
        }
        guard let found = config[DeadLetters.option]?.text, !found.isEmpty else {
            throw CommandFailure(
                "connector '\(name)' has no topic of dead letters",
                hint: "set errors.tolerance=all and \(DeadLetters.option)=TOPIC in its configuration")
        }
        return found
    }
}

struct DeadLetterList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the connectors with topics of dead letters, and how many there are.",
        discussion: """
            EXAMPLES
              swiftwater connect dlq list
              swiftwater connect dlq list -o json
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var connect: ConnectOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let all = try await connect.explaining { client in
            try await client.exchange("GET", ["connectors"], [("expand", "info")])
        }
        var rows: [(connector: String, topic: String, count: Int64, waiting: Int64)] = []
        let cluster = try await connection.connect()
        let topics = Dictionary(try await cluster.topics().map { ($0.name, $0) }) { first, _ in first }
        for (name, entry) in (all.members ?? []).sorted(by: { $0.0 < $1.0 }) {
            guard let topic = entry["info"]?["config"]?[DeadLetters.option]?.text, !topic.isEmpty else { continue }
            let partitions = (topics[topic]?.partitions ?? []).map { TopicPartition(topic, $0.partition) }
            func offsets(_ position: LogPosition) async throws -> [TopicPartition: Int64] {
                try await cluster.offsets(
                    Dictionary(partitions.map { ($0, position) }) { first, _ in first }, isolation: .readCommitted)
            }
            let (starts, ends) = (try await offsets(.beginning), try await offsets(.end))
            let done = try await cluster.groupOffsets(DeadLetters.group(topic))
            let count = partitions.reduce(Int64(0)) { $0 + (ends[$1] ?? 0) - (starts[$1] ?? 0) }
            let waiting = partitions.reduce(Int64(0)) {
                $0 + max(0, (ends[$1] ?? 0) - max(starts[$1] ?? 0, done[$1]?.offset ?? 0))
            }
            rows.append((name, topic, count, waiting))
        }
        switch output.format {
        case .json:
            let values = rows.map { row in
                JSONValue.object([
                    ("connector", .string(row.connector)), ("topic", .string(row.topic)),
                    ("letters", .number(row.count)), ("waiting", .number(row.waiting)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("CONNECTOR", "TOPIC", "LETTERS#", "WAITING#")
            for row in rows { table.add(row.connector, row.topic, String(row.count), String(row.waiting)) }
            try Output.standard.line(table.text)
        }
    }
}

struct DeadLetterShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show dead letters with what they failed of.",
        discussion: """
            EXAMPLES
              swiftwater connect dlq show ratings-sink
              swiftwater connect dlq show ratings-sink --max 5 -o json
              swiftwater connect dlq show ratings-dlq --topic
            """)

    @Option(help: ArgumentHelp("The most letters, the newest ones.", valueName: "count")) var max = 100
    @OptionGroup var source: DeadLetterSource
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let topic = try await source.find()
        let cluster = try await source.connection.connect()
        _ = try await ConnectionOptions.topic(topic, in: cluster)
        let letters = try await DeadLetters.all(topic, in: cluster).suffix(Swift.max(0, max))
        switch output.format {
        case .json:
            try Output.standard.write(JSONValue.array(letters.map(Self.json)).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("PARTITION#", "OFFSET#", "FROM", "STAGE", "REASON", "VALUE")
            for letter in letters {
                var from = letter.deadLetterContext("topic") ?? "-"
                if let partition = letter.deadLetterContext("partition"),
                    let offset = letter.deadLetterContext("offset")
                {
                    from += "-\(partition)@\(offset)"
                }
                table.add(
                    String(letter.partition), String(letter.offset), from, letter.deadLetterContext("stage") ?? "-",
                    Self.short(letter.deadLetterContext("exception.message") ?? "-", 60),
                    Self.short(letter.value.map { String(buffer: $0) } ?? "null", 60))
            }
            try Output.standard.line(table.text)
        }
    }

    private static func short(_ text: String, _ countMax: Int) -> String {
        let line = text.map { $0.isNewline ? " " : $0 }
        return line.count <= countMax ? String(line) : String(line.prefix(countMax - 3)) + "..."
    }

    private static func json(_ letter: ConsumerRecord) -> JSONValue {
        func text(_ bytes: ByteBuffer?) -> JSONValue { .string(bytes.map { String(buffer: $0) }) }
        var errors: [(String, JSONValue)] = []
        for header in letter.headers where header.key.hasPrefix(DeadLetters.prefix) {
            errors.append(
                (
                    String(header.key.dropFirst(DeadLetters.prefix.count)),
                    .string(header.value.map { String(decoding: $0, as: UTF8.self) })
                ))
        }
        return .object([
            ("partition", .number(Int64(letter.partition))), ("offset", .number(letter.offset)),
            ("timestamp", .number(letter.timestamp)), ("key", text(letter.key)), ("value", text(letter.value)),
            (
                "headers",
                .object(
                    letter.headersOfItsOwn.map {
                        ($0.key, .string($0.value.map { String(decoding: $0, as: UTF8.self) }))
                    })
            ), ("errors", .object(errors)),
        ])
    }
}

struct DeadLetterRedrive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive", abstract: "Send dead letters to their topics again, mended or as they are.",
        discussion: """
            Letters that were sent again are not sent a second time: how far that has come is kept as the offsets of the \
            group swiftwater-redrive-TOPIC. A record goes to the topic that it came from, without the headers that say why \
            it failed.

            EXAMPLES
              swiftwater connect dlq redrive ratings-sink --dry-run
              swiftwater connect dlq redrive ratings-sink
              swiftwater connect dlq redrive ratings-sink --offset 17 \\
                  --value '{"stars": 5}'
              swiftwater connect dlq redrive ratings-dlq --topic --to ratings
            """)

    @Flag(help: "Only tell what would be sent.") var dryRun = false
    @Option(help: ArgumentHelp("Where to, instead of the topic that each letter names.", valueName: "topic"))
    var to: String?
    @Option(help: ArgumentHelp("This letter only.", valueName: "offset")) var offset: Int64?
    @Option(help: ArgumentHelp("The partition of that letter.", valueName: "number")) var partition: Int32 = 0
    @Option(help: ArgumentHelp("The value to send in place of the letter's.", valueName: "text")) var value: String?
    @Flag(help: "Also letters that were sent before.") var all = false
    @OptionGroup var source: DeadLetterSource

    func validate() throws {
        if value != nil, offset == nil { throw ValidationError("--value is for one letter: name it with --offset") }
    }

    func run() async throws {
        let topic = try await source.find()
        let cluster = try await source.connection.connect()
        let group = DeadLetters.group(topic)
        let done = all || offset != nil ? [:] : try await cluster.groupOffsets(group).mapValues(\.offset)
        _ = try await ConnectionOptions.topic(topic, in: cluster)
        var letters = try await DeadLetters.all(topic, from: done, in: cluster)
        if let offset {
            letters = letters.filter { $0.offset == offset && $0.partition == partition }
            guard !letters.isEmpty else {
                throw CommandFailure("topic '\(topic)' has no letter at offset \(offset) of partition \(partition)")
            }
        }
        let targets = try letters.map { letter in
            guard let target = to ?? letter.deadLetterContext("topic") else {
                throw CommandFailure(
                    "the letter at offset \(letter.offset) does not say which topic it is from",
                    hint: "name one with --to TOPIC; connectors with "
                        + "errors.deadletterqueue.context.headers.enable=true write it down")
            }
            return target
        }
        for target in Set(targets) { _ = try await ConnectionOptions.topic(target, in: cluster) }
        var counts: [String: Int] = [:]
        for target in targets { counts[target, default: 0] += 1 }
        if !dryRun {
            let mended = zip(letters, targets).map { letter, target in
                DeadLetters.Sending(letter, to: target, value: value.map { ByteBuffer(string: $0) } ?? letter.value)
            }
            try await DeadLetters.send(mended, remembering: offset == nil ? group : nil, in: cluster)
        }
        if counts.isEmpty { return try Output.standard.line("no letters are waiting in '\(topic)'") }
        for (target, count) in counts.sorted(by: { $0.key < $1.key }) {
            let records = count == 1 ? "1 record" : "\(count) records"
            try Output.standard.line(dryRun ? "would send \(records) to '\(target)'" : "sent \(records) to '\(target)'")
        }
    }
}
