import ArgumentParser
import Cluster
import SchemaRules

struct Consume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume", abstract: "Print the records of topics and follow them.",
        discussion: """
            On a terminal a line shows partition:offset, timestamp, key, value and headers; elsewhere only the value, \
            unless --print says otherwise. Partitions are read at the same time; each keeps its own order.

            With --group the command is a member of a consumer group: the partitions are shared out among all members, \
            the group remembers what was printed, and --from is only about partitions where it remembers nothing.

            With --include, topics that come to be later are read from their beginning.

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
              swiftwater consume ratings users --group billing --from beginning
              swiftwater consume ratings --value-format avro --from beginning
              swiftwater consume COUNTS --key-format int --print key,value
              swiftwater consume --include 'orders-.*' --group audit
            """)

    enum Output: String, CaseIterable, ExpressibleByArgument {
        case text, json
    }

    enum GroupProtocol: String, CaseIterable, ExpressibleByArgument {
        case classic, consumer
    }

    enum IsolationLevel: String, CaseIterable, ExpressibleByArgument {
        case committed = "read_committed"
        case uncommitted = "read_uncommitted"
    }

    @Argument(help: "The topics.", completion: NameCompletion.topics) var topics: [String] = []
    @OptionGroup var pattern: TopicPatternOptions
    @Option(
        name: .shortAndLong, help: ArgumentHelp("Take part in this consumer group.", valueName: "group"),
        completion: NameCompletion.groups)
    var group: String?
    @Option(help: "The protocol of the group: classic, or consumer (KIP-848).") var groupProtocol: GroupProtocol =
        .classic
    @Option(
        help: ArgumentHelp(
            "A name by which the group knows this member again after a restart (group.instance.id).", valueName: "name")
    )
    var groupInstanceId: String?
    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: ArgumentHelp("Where to begin; see POSITIONS.", valueName: "position"))
    var from: String?
    @Option(name: .shortAndLong, help: "Partitions, as in 0,2,5-7. (default: all)") var partition: String?
    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("End after so many records.", valueName: "count"))
    var maxMessages: Int?
    @Flag(name: [.customShort("e"), .long], help: "End where the topic ended when the command began.")
    var exitAtEnd = false
    @Option(help: "How keys and values are printed.") var format: RecordFormat = .string
    @Option(help: "How keys are printed, where it is not --format.") var keyFormat: RecordFormat?
    @Option(help: "How values are printed, where it is not --format.") var valueFormat: RecordFormat?
    @Flag(help: "Report records that do not fit their format and go on, instead of ending.") var skipErrors = false
    @Option(
        help: ArgumentHelp(
            "Fields to print, in this order: \(RecordField.allCases.map(\.rawValue).joined(separator: ",")).",
            valueName: "fields"))
    var print: String?
    @Option(parsing: .unconditional, help: "Text between printed fields; \\t is a tab.") var separator = "\\t"
    @Option(parsing: .unconditional, help: ArgumentHelp("Text for null keys and values.", valueName: "text"))
    var nullValue = "null"
    @Option(name: .shortAndLong, help: "text, or json for one JSON object per record.") var output: Output = .text
    @Option(help: "read_committed, or read_uncommitted to show records of transactions that are open or aborted, too.")
    var isolation: IsolationLevel = .committed
    @Flag(help: "The same as --isolation read_uncommitted.") var readUncommitted = false
    @OptionGroup var registry: RegistryOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if topics.isEmpty, pattern.include == nil {
            throw ValidationError("name topics, or say which with --include REGEX")
        }
        if pattern.include != nil, group != nil, !topics.isEmpty {
            throw ValidationError("a group reads topics by name or by --include, not by both")
        }
        if pattern.include != nil, partition != nil {
            throw ValidationError("--partition is for topics that are named: leave out --include")
        }
        if let maxMessages, maxMessages < 1 { throw ValidationError("--max-messages must be at least 1") }
        if print != nil, output == .json { throw ValidationError("--print is for text; JSON has all fields") }
        if group?.isEmpty == true { throw ValidationError("--group must not be empty") }
        if group != nil, partition != nil {
            throw ValidationError("a group shares out the partitions: leave out --partition")
        }
        if group == nil, groupInstanceId != nil { throw ValidationError("--group-instance-id is for --group") }
    }

    private var isolationLevel: Isolation {
        readUncommitted || isolation == .uncommitted ? .readUncommitted : .readCommitted
    }

    func run() async throws {
        let position = try from.map { try StartPosition.parse($0, now: Timestamps.nowMilliseconds()) }
        let printer = try printer()
        let cluster = try await connection.connect()
        let decoder = try decoder()
        let keyBytes = keyFormat ?? (format == .json ? nil : format)
        let strict = StrictFormats(key: Self.strict(keyBytes), value: Self.strict(valueFormat ?? format))
        let show: @Sendable ([ConsumerRecord]) throws -> Void = { [skipErrors] records in
            for record in records {
                let decoded: ConsumerRecord
                do throws(SchemaFailure) {
                    decoded = if let decoder { try decoder.decoded(record) } else { record }
                    try strict.check(decoded)
                } catch {
                    let place = "topic '\(record.topic)', partition \(record.partition), offset \(record.offset)"
                    guard skipErrors else {
                        throw CommandFailure(
                            "\(place): \(error.message)",
                            hint: "--skip-errors goes on behind it, --format hex shows its bytes")
                    }
                    swiftwater.Output.complain("swiftwater: skipped \(place): \(error.message)")
                    continue
                }
                try swiftwater.Output.standard.write(printer.line(decoded))
            }
            try swiftwater.Output.standard.flush()  // who follows a topic wants to see records as they come
        }
        let prepare: @Sendable (FetchedBatches) async throws -> Void = { [registry] batches in
            guard let decoder else { return }
            let records = try batches.records()
            try await registry.explaining { _ in try await decoder.prepare(records) }
        }
        let start = position ?? (exitAtEnd ? .beginning : .end)
        if let group { return try await consume(as: group, from: start, in: cluster, prepare, show) }

        let include = try pattern.pattern()
        let names = try await names(include, in: cluster)
        var partitions: [TopicPartition] = []
        var read: [TopicDescription] = []
        for name in names {
            guard include != nil else {
                partitions += try await chosenPartitions(partition, of: name, in: cluster)
                continue
            }
            do {
                let topic =
                    topics.contains(name)
                    ? try await ConnectionOptions.topic(name, in: cluster) : try await cluster.topic(name)
                read.append(topic)
                partitions += topic.partitions.map { TopicPartition(name, $0.partition) }
            } catch let error as ClusterError where error.code == .unknownTopicOrPartition {}  // deleted meanwhile
        }
        // Before anything is read: a topic that is made anew from here on is noticed.
        if include != nil, !exitAtEnd { read = await read.withIds(of: cluster) }
        let isolation = isolationLevel
        let ends =
            exitAtEnd
            ? try await cluster.offsets(
                Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: isolation) : nil
        // All at once, so that the partitions begin at the same moment however many there are.
        let starts = try await cluster.offsets(
            Dictionary(partitions.map { ($0, start) }) { first, _ in first }, isolation: isolation)
        var readers: [any PartitionReader] = []
        for (partition, offset) in starts.sorted(by: { $0.key < $1.key }) {
            readers.append(try await cluster.reader(partition, from: .offset(offset), isolation: isolation))
        }
        guard let include, !exitAtEnd else {
            try await Self.follow(
                readers, until: ends, countMax: maxMessages ?? .max, mayVanish: include != nil, prepare, show)
            return
        }
        let watch = TopicWatch(topics, include, reading: read, in: cluster, isolation: isolation)
        try await Self.follow(
            readers, until: nil, countMax: maxMessages ?? .max, watch: watch, mayVanish: true, prepare, show)
    }

    /// Only values, and keys where that is said of them, are held to be JSON; numbers always are what they are said to be.
    private static func strict(_ format: RecordFormat?) -> ByteFormat? {
        guard let format, format.schemaType == nil, format != .string else { return nil }
        return format.bytes
    }

    /// The topics to begin with.
    private func names(_ include: TopicPattern?, in cluster: any Cluster) async throws -> [String] {
        guard let include else { return topics }
        let names = try await pattern.chosen(topics, in: cluster, all: { [] }, mayBeNone: !exitAtEnd)
        if names.isEmpty { swiftwater.Output.complain("swiftwater: no topic matches '\(include.text)' yet") }
        return names
    }

    /// nil when neither keys nor values have schemas.
    private func decoder() throws -> RegistryDecoder? {
        let key = (keyFormat ?? format).schemaType
        let value = (valueFormat ?? format).schemaType
        guard key != nil || value != nil else { return nil }
        return RegistryDecoder(try registry.client(), keyType: key, valueType: value)
    }

    /// Until Ctrl-C, which is the usual end: what was printed is committed, and the group told at once.
    private func consume(
        as group: String, from start: LogPosition, in cluster: RemoteCluster,
        _ prepare: @escaping @Sendable (FetchedBatches) async throws -> Void,
        _ show: @escaping @Sendable ([ConsumerRecord]) throws -> Void
    ) async throws {
        for topic in topics { _ = try await ConnectionOptions.topic(topic, in: cluster) }
        let options = try membershipOptions()
        let include = try pattern.pattern()
        let known = try await include?.topics(in: cluster)
        if let include, known?.isEmpty == true {
            guard !exitAtEnd else { throw TopicPatternOptions.none(include) }
            swiftwater.Output.complain("swiftwater: no topic matches '\(include.text)' yet")
        }
        let subscription: Subscription = if let include { .pattern(include.text) } else { .topics(topics) }
        let consumption = GroupConsumption(
            cluster, cluster.membership(group: group, subscription, options: options), isolation: isolationLevel,
            start: start, known: known.map { Set($0) }, endsWhenRead: exitAtEnd, countMax: maxMessages ?? .max, prepare,
            show)
        let interruption = try Interruption()
        // Both end with this command: the first when it is done, the second with the process.
        let work = Task { try await consumption.run() }
        Task {
            await interruption.wait()
            work.cancel()
        }
        let outcome = await work.result
        do {
            try await consumption.finish()
        } catch {
            try outcome.get()  // what went wrong first is what the user must know
            throw error
        }
        try outcome.get()
    }

    /// The member's own properties have the names that they have in other clients.
    private func membershipOptions() throws -> MembershipOptions {
        let properties = try connection.clientProperties()
        // Eager assignors, as all clients have them: so the command may join groups of Java's or librdkafka's consumers.
        var options = MembershipOptions(
            type: groupProtocol == .consumer ? .consumer : .classic,
            instanceId: groupInstanceId ?? properties["group.instance.id"], assignors: [.range, .roundRobin],
            remoteAssignor: properties["group.remote.assignor"])
        func milliseconds(_ name: String) -> Duration? {
            properties[name].flatMap { Int64($0) }.map { .milliseconds($0) }  // librdkafka has checked what they are
        }
        options.sessionTimeout = milliseconds("session.timeout.ms") ?? options.sessionTimeout
        options.heartbeatInterval =
            milliseconds("heartbeat.interval.ms") ?? min(options.heartbeatInterval, options.sessionTimeout / 3)
        options.rebalanceTimeout = milliseconds("max.poll.interval.ms") ?? options.rebalanceTimeout
        options.metadataInterval = milliseconds("metadata.max.age.ms") ?? options.metadataInterval
        return options
    }

    private func printer() throws -> RecordPrinter {
        var printer = RecordPrinter(layout: .json)
        printer.keyFormat = (keyFormat ?? format).bytes
        printer.valueFormat = (valueFormat ?? format).bytes
        printer.nullText = nullValue
        printer.showsTopic = topics.count > 1 || pattern.include != nil
        let between = unescaped(separator)
        if let print {
            let fields = try print.split(separator: ",").map { name in
                guard let field = RecordField(rawValue: name.trimmed) else {
                    throw CommandFailure.usage(
                        "--print \(print): there is no field '\(name)'",
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
