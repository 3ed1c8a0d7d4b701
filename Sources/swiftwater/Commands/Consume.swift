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

    @Argument(help: "The topics.", completion: NameCompletion.topics) var topics: [String]
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
    @Option(help: "Text between printed fields; \\t is a tab.") var separator = "\\t"
    @Option(help: ArgumentHelp("Text for null keys and values.", valueName: "text")) var nullValue = "null"
    @Option(name: .shortAndLong, help: "text, or json for one JSON object per record.") var output: Output = .text
    @Option(help: "read_committed, or read_uncommitted to show records of transactions that are open or aborted, too.")
    var isolation: IsolationLevel = .committed
    @Flag(help: "The same as --isolation read_uncommitted.") var readUncommitted = false
    @OptionGroup var registry: RegistryOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
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
        let strict = StrictJSON(key: keyFormat == .json, value: (valueFormat ?? format) == .json)
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

        var partitions: [TopicPartition] = []
        for topic in topics { partitions += try await chosenPartitions(partition, of: topic, in: cluster) }
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
        try await Self.follow(readers, until: ends, countMax: maxMessages ?? .max, prepare, show)
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
        let consumption = GroupConsumption(
            cluster, cluster.membership(group: group, .topics(topics), options: options), isolation: isolationLevel,
            start: start, endsWhenRead: exitAtEnd, countMax: maxMessages ?? .max, prepare, show)
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
        return options
    }

    private func printer() throws -> RecordPrinter {
        var printer = RecordPrinter(layout: .json)
        printer.keyFormat = (keyFormat ?? format).bytes
        printer.valueFormat = (valueFormat ?? format).bytes
        printer.nullText = nullValue
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

    /// Reads all partitions at the same time and hands their records over one batch at a time, so that a slow reader of
    /// our output slows down the fetching.
    ///
    /// - Parameter idleMax: how long to wait for records before giving up; nil for ever.
    /// - Returns: whether it was given up.
    @discardableResult
    static func follow(
        _ readers: [any PartitionReader], until ends: [TopicPartition: Int64]?, countMax: Int,
        idleMax: Duration? = nil,
        _ prepare: @escaping @Sendable (FetchedBatches) async throws -> Void,
        _ handle: ([ConsumerRecord]) throws -> Void
    ) async throws -> Bool {
        var left = countMax
        let clock = ContinuousClock()
        var last = clock.now
        let patience = min(idleMax ?? .seconds(10), .seconds(10))
        return try await withThrowingTaskGroup(of: (any PartitionReader, FetchedBatches).self) { group in
            func read(_ reader: any PartitionReader) {
                if let ends, reader.position >= ends[reader.partition] ?? 0 { return }
                group.addTask {
                    let batches = try await reader.next(maxBytes: 1 << 20, timeout: patience)
                    try await prepare(batches)
                    return (reader, batches)
                }
            }
            for reader in readers { read(reader) }
            while left > 0, let (reader, batches) = try await group.next() {
                var records = try batches.records()
                if let end = ends?[reader.partition] { records.removeAll { $0.offset >= end } }
                let shown = records.prefix(left)
                left -= shown.count
                if !shown.isEmpty {
                    try handle(Array(shown))
                    last = clock.now
                } else if let idleMax, clock.now - last >= idleMax {
                    group.cancelAll()
                    return true
                }
                read(reader)
            }
            group.cancelAll()
            return false
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
