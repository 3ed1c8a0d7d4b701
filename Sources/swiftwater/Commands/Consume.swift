import ArgumentParser
import Cluster

struct Consume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume", abstract: "Print a topic's records and follow it.",
        discussion: """
            On a terminal a line shows partition:offset, timestamp, key, value and headers; elsewhere only the value, \
            unless --print says otherwise. Partitions are read at the same time; each keeps its own order.

            POSITIONS
              beginning, end      the default is end, or beginning with --exit-at-end
              42                  an offset
              -10                 so many offsets before the end of each partition
              2026-11-25T18:00    a time, in UTC unless it ends in +01:00 or the like
              @1764093600000      a time in milliseconds since 1970
              15m, 2h, 1d         so long ago

            EXAMPLES
              swiftwater consume ratings --from beginning
              swiftwater consume ratings --from -10 --exit-at-end -o json
              swiftwater consume ratings --from 15m --partition 0,2 --print key,value
            """)

    enum Output: String, CaseIterable, ExpressibleByArgument {
        case text, json
    }

    @Argument(help: "The topic.") var topic: String
    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: ArgumentHelp("Where to begin; see POSITIONS.", valueName: "position"))
    var from: String?
    @Option(name: .shortAndLong, help: "Partitions, as in 0,2,5-7. (default: all)") var partition: String?
    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("End after so many records.", valueName: "count"))
    var maxMessages: Int?
    @Flag(name: [.customShort("e"), .long], help: "End where the topic ended when the command began.")
    var exitAtEnd = false
    @Option(help: "How values are printed; keys too unless --key-format is given.") var format: ByteFormat = .string
    @Option(help: "How keys are printed: string, json or hex.") var keyFormat: ByteFormat?
    @Option(
        help: ArgumentHelp(
            "Fields to print, in this order: \(RecordField.allCases.map(\.rawValue).joined(separator: ",")).",
            valueName: "fields"))
    var print: String?
    @Option(help: "Text between printed fields; \\t is a tab.") var separator = "\\t"
    @Option(help: ArgumentHelp("Text for null keys and values.", valueName: "text")) var nullValue = "null"
    @Option(name: .shortAndLong, help: "text, or json for one JSON object per record.") var output: Output = .text
    @Flag(help: "Show records of transactions that are open or were aborted, too.") var readUncommitted = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if let maxMessages, maxMessages < 1 { throw ValidationError("--max-messages must be at least 1") }
        if print != nil, output == .json { throw ValidationError("--print is for text; JSON has all fields") }
    }

    func run() async throws {
        let position = try from.map { try StartPosition.parse($0, now: Timestamps.nowMilliseconds()) }
        let printer = try printer()
        if maxMessages == 0 { return }
        let cluster = try await connection.connect()
        let partitions = try await chosenPartitions(partition, of: topic, in: cluster)
        let isolation: Isolation = readUncommitted ? .readUncommitted : .readCommitted
        let ends =
            exitAtEnd
            ? try await cluster.offsets(
                Dictionary(uniqueKeysWithValues: partitions.map { ($0, .end) }), isolation: isolation) : nil
        // All at once, so that the partitions begin at the same moment however many there are.
        let start = position ?? (exitAtEnd ? .beginning : .end)
        let starts = try await cluster.offsets(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, start) }), isolation: isolation)
        var readers: [any PartitionReader] = []
        for partition in partitions {
            let offset = LogPosition.offset(starts[partition] ?? 0)
            readers.append(try await cluster.reader(partition, from: offset, isolation: isolation))
        }
        try await Self.follow(readers, until: ends, countMax: maxMessages ?? .max) { records in
            for record in records { try swiftwater.Output.standard.write(printer.line(record)) }
            try swiftwater.Output.standard.flush()  // who follows a topic wants to see records as they come
        }
    }

    private func printer() throws -> RecordPrinter {
        var printer = RecordPrinter(layout: .json)
        printer.keyFormat = keyFormat ?? format
        printer.valueFormat = format
        printer.nullText = nullValue
        let between = unescaped(separator)
        if let print {
            let fields = try print.split(separator: ",").map { name in
                guard let field = RecordField(rawValue: name.trimmed) else {
                    throw CommandFailure.usage(
                        "--print \(print): there is no field \"\(name)\"",
                        hint: "fields are \(RecordField.allCases.map(\.rawValue).joined(separator: ", "))")
                }
                return field
            }
            printer.layout = .text(fields, separator: between)
        } else if output == .text {
            printer.layout = swiftwater.Output.standard.isTerminal ? .terminal : .text([.value], separator: between)
        }
        return printer
    }

    /// Reads all partitions at the same time and hands their records over one batch at a time, so that a slow reader of
    /// our output slows down the fetching.
    private static func follow(
        _ readers: [any PartitionReader], until ends: [TopicPartition: Int64]?, countMax: Int,
        _ handle: ([ConsumerRecord]) throws -> Void
    ) async throws {
        var left = countMax
        try await withThrowingTaskGroup(of: (any PartitionReader, FetchedBatches).self) { group in
            func read(_ reader: any PartitionReader) {
                if let ends, reader.position >= ends[reader.partition] ?? 0 { return }
                group.addTask { (reader, try await reader.next(maxBytes: 1 << 20, timeout: .seconds(10))) }
            }
            for reader in readers { read(reader) }
            while left > 0, let (reader, batches) = try await group.next() {
                var records = try batches.records()
                if let end = ends?[reader.partition] { records.removeAll { $0.offset >= end } }
                let shown = records.prefix(left)
                left -= shown.count
                if !shown.isEmpty { try handle(Array(shown)) }
                read(reader)
            }
            group.cancelAll()
        }
    }
}

/// `\t`, `\n`, `\0` and `\\` as the characters they stand for.
func unescaped(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let character = rest.popFirst() {
        guard character == "\\", let next = rest.popFirst() else {
            result.append(character)
            continue
        }
        switch next {
        case "t": result.append("\t")
        case "n": result.append("\n")
        case "0": result.append("\0")
        case "\\": result.append("\\")
        default: result += "\\" + String(next)
        }
    }
    return result
}
