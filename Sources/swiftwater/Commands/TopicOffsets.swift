import ArgumentParser
import Cluster
import JSONFormat

struct TopicOffsets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "offsets", abstract: "Show the offset of a position in each partition.",
        discussion: """
            The position is the end unless --at says otherwise. A partition that has no record of a time or later, or that \
            does not come to an offset, shows its end.

            EXAMPLES
              swiftwater topic offsets ratings
              swiftwater topic offsets ratings users --at beginning
              swiftwater topic offsets ratings --at 2h --partition 0,1
              swiftwater topic offsets ratings --at max-timestamp
              swiftwater topic offsets --include 'orders-.*'
            """)

    @Argument(help: "Topics. (default: all but the broker's own)", completion: NameCompletion.topics)
    var names: [String] = []
    @OptionGroup var pattern: TopicPatternOptions
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "A position as for consume --from, or max-timestamp for the record with the largest time.",
            valueName: "position"))
    var at = "end"
    @Option(name: .shortAndLong, help: "Partitions, as in 0,2,5-7. (default: all)") var partition: String?
    @Option(help: "read_committed, or read_uncommitted to count records of open transactions, too.")
    var isolation: Consume.IsolationLevel = .uncommitted
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let position =
            at == "max-timestamp"
            ? .maxTimestamp : try StartPosition.parse(at, now: Timestamps.nowMilliseconds(), option: "--at")
        let cluster = try await connection.connect()
        var partitions: [TopicPartition] = []
        let names = try await pattern.chosen(
            names, in: cluster, all: { try await cluster.topics().filter { !$0.isInternal }.map(\.name) })
        for name in names { partitions += try await chosenPartitions(partition, of: name, in: cluster) }
        func offsets(_ position: LogPosition) async throws -> [TopicPartition: Int64] {
            try await cluster.offsets(
                Dictionary(partitions.map { ($0, position) }) { first, _ in first },
                isolation: isolation == .committed ? .readCommitted : .readUncommitted)
        }
        var found = try await offsets(position)
        if case .offset = position {
            // The cluster is not asked for what is an offset already.
            let (starts, ends) = (try await offsets(.beginning), try await offsets(.end))
            for (place, offset) in found {
                guard let start = starts[place], let end = ends[place] else { continue }
                found[place] = max(start, min(offset, end))
            }
        }
        let rows = partitions.compactMap { place in found[place].map { (place, $0) } }
        switch output.format {
        case .json:
            let values = rows.map { place, offset in
                JSONValue.object([
                    ("topic", .string(place.topic)), ("partition", .number(Int64(place.partition))),
                    ("offset", .number(offset)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("TOPIC", "PARTITION#", "OFFSET#")
            for (place, offset) in rows { table.add(place.topic, String(place.partition), String(offset)) }
            try Output.standard.line(table.text)
        }
    }
}
