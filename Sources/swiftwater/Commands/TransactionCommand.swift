import ArgumentParser
import Bytes
import Cluster
import JSONFormat
import KafkaMessages

struct TransactionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transaction", abstract: "Look at transactions, and end those that hang.",
        discussion: """
            A transaction that stays open holds back everybody who reads with read_committed.

            EXAMPLES
              swiftwater transaction list --state ongoing
              swiftwater transaction describe import-1
              swiftwater transaction producers ratings
              swiftwater transaction terminate import-1
              swiftwater transaction find-hanging
            """,
        subcommands: [
            TransactionList.self, TransactionDescribe.self, TransactionProducers.self, TransactionTerminate.self,
            TransactionFindHanging.self, TransactionAbort.self,
        ])
}

struct TransactionList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List transactional ids and the states of their transactions.",
        discussion: """
            EXAMPLES
              swiftwater transaction list
              swiftwater transaction list --state ongoing --older-than 15m
              swiftwater transaction list --id-pattern 'import-.*' -o json
            """)

    @Option(
        help: ArgumentHelp(
            "Show only those in these states, such as ongoing or empty,ongoing; may be repeated.",
            valueName: "states"))
    var state: [String] = []
    @Option(
        help: ArgumentHelp("Show only transactions that have been open for so long, as in 15m.", valueName: "span"))
    var olderThan: String?
    @Option(help: ArgumentHelp("Show only ids that match, as a whole.", valueName: "regex")) var idPattern: String?
    @Option(help: ArgumentHelp("Show only those of this producer; may be repeated.", valueName: "id"))
    var producerId: [Int64] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    private static let stateNames = [
        "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "PrepareEpochFence",
        "Dead",
    ]

    /// By Kafka's names.
    private func states() throws -> [String] {
        try state.flatMap { $0.split(separator: ",") }.map { text in
            let text = text.trimmed
            if let name = Self.stateNames.first(where: { $0.lowercased() == text.lowercased() }) { return name }
            throw ValidationError(
                "no transaction has the state '\(text)'"
                    + (nearestName(to: text, among: Self.stateNames).map { ": did you mean '\($0.lowercased())'?" }
                        ?? ": there are \(Self.stateNames.map { $0.lowercased() }.joined(separator: ", "))"))
        }
    }

    func validate() throws {
        _ = try states()
        if let olderThan { _ = try milliseconds(olderThan, "--older-than") }
    }

    func run() async throws {
        let transactions = try await TransactionCalls(connection.connect()).list(
            states: states(), producerIds: producerId,
            olderThan: olderThan.map { try milliseconds($0, "--older-than") }, pattern: idPattern)
        switch output.format {
        case .json:
            let values = transactions.map { transaction in
                JSONValue.object([
                    ("id", .string(transaction.id)), ("coordinator", .number(Int64(transaction.coordinator))),
                    ("producerId", .number(transaction.producerId)), ("state", .string(transaction.state)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("ID", "COORDINATOR#", "PRODUCER ID#", "STATE")
            for transaction in transactions {
                table.add(
                    transaction.id, String(transaction.coordinator), String(transaction.producerId),
                    transaction.state)
            }
            try Output.standard.line(table.text)
        }
    }
}

struct TransactionDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show what the coordinator knows of transactional ids.",
        discussion: """
            EXAMPLES
              swiftwater transaction describe import-1
              swiftwater transaction describe import-1 import-2 -o json
            """)

    @Argument(help: "Transactional ids.", completion: NameCompletion.transactionalIds) var ids: [String]
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        let calls = TransactionCalls(cluster)
        var values: [JSONValue] = []
        for (index, id) in ids.enumerated() {
            let found = try await TransactionLookup.transaction(id, calls)
            if output.format == .json {
                values.append(Self.json(found))
            } else {
                if index > 0 { try Output.standard.line("") }
                try Output.standard.line(Self.text(found))
            }
        }
        if output.format == .json { try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")]) }
    }

    private static func text(_ found: TransactionCalls.Description) -> String {
        let state = found.state
        var lines = [
            "id:           \(RecordPrinter.visible(state.transactionalId))", "state:        \(state.transactionState)",
            "coordinator:  \(found.coordinator)", "producer id:  \(state.producerId)",
            "epoch:        \(state.producerEpoch)", "timeout:      \(state.transactionTimeoutMs) ms",
        ]
        if state.transactionStartTimeMs > 0 {
            lines.append("began:        \(Timestamps.text(milliseconds: state.transactionStartTimeMs))")
        }
        if !state.topics.isEmpty {
            lines.append("partitions:   " + found.partitions.map(\.description).joined(separator: " "))
        }
        return lines.joined(separator: "\n")
    }

    private static func json(_ found: TransactionCalls.Description) -> JSONValue {
        let state = found.state
        let began = state.transactionStartTimeMs
        return .object([
            ("id", .string(state.transactionalId)), ("state", .string(state.transactionState)),
            ("coordinator", .number(Int64(found.coordinator))), ("producerId", .number(state.producerId)),
            ("producerEpoch", .number(Int64(state.producerEpoch))),
            ("timeoutMs", .number(Int64(state.transactionTimeoutMs))),
            ("startTimeMs", began > 0 ? .number(began) : .null),
            (
                "partitions",
                .array(
                    found.partitions.map {
                        .object([("topic", .string($0.topic)), ("partition", .number(Int64($0.partition)))])
                    })
            ),
        ])
    }
}

struct TransactionProducers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "producers", abstract: "Show the producers that a topic's partitions remember.",
        discussion: """
            These are producers that are idempotent or have transactions. TRANSACTION START is the offset where one has \
            an open transaction.

            EXAMPLES
              swiftwater transaction producers ratings
              swiftwater transaction producers ratings --partition 0 -o json
            """)

    @Argument(help: "The topic.", completion: NameCompletion.topics) var topic: String
    @Option(name: .shortAndLong, help: "Partitions, as in 0,2,5-7. (default: all)") var partition: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        let partitions = try await chosenPartitions(partition, of: topic, in: cluster)
        let producers = try await TransactionCalls(cluster).producers(
            of: partitions, in: [ConnectionOptions.topic(topic, in: cluster)])
        try TransactionLookup.show(producers, output.format)
    }
}

struct TransactionTerminate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "terminate", abstract: "Abort the open transaction of a transactional id and fence its producer.",
        discussion: """
            Whoever uses the id is told that it is fenced at its next request. For a transaction that its coordinator \
            knows; 'abort' is for those that none knows.

            EXAMPLES
              swiftwater transaction terminate import-1
            """)

    @Argument(help: "The transactional id.", completion: NameCompletion.transactionalIds) var id: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let calls = TransactionCalls(try await connection.connect())
        let before = try await TransactionLookup.transaction(id, calls)
        // Nothing is written under this timeout, and a longer one may be beyond what the cluster permits by now.
        try await calls.terminate(id, timeout: min(before.state.transactionTimeoutMs, 1000))
        let wasOpen = before.state.transactionState == "Ongoing"
        try Output.standard.line(
            (wasOpen ? "aborted the transaction of '\(id)'" : "'\(id)' had no open transaction")
                + "; its producer is fenced")
    }
}

struct TransactionFindHanging: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "find-hanging", abstract: "Find open transactions that no coordinator will end.",
        discussion: """
            Looks for partitions with a transaction that has been open for long and that its coordinator knows nothing \
            of. The exit code is 1 when there are some; 'transaction abort' ends them.

            EXAMPLES
              swiftwater transaction find-hanging
              swiftwater transaction find-hanging ratings users --older-than 1h
            """)

    @Argument(help: "Topics. (default: all)", completion: NameCompletion.topics) var topics: [String] = []
    @Option(
        help: ArgumentHelp(
            "How long a producer with an open transaction has to have been silent: longer than the cluster's "
                + "transaction.max.timeout.ms.", valueName: "span"))
    var olderThan = "15m"
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try milliseconds(olderThan, "--older-than") }

    func run() async throws {
        let latest = Timestamps.nowMilliseconds() - (try milliseconds(olderThan, "--older-than"))
        let cluster = try await connection.connect()
        let calls = TransactionCalls(cluster)
        var looked: [TopicDescription] = []
        if topics.isEmpty {
            looked = try await cluster.topics()
        } else {
            for name in topics { looked.append(try await ConnectionOptions.topic(name, in: cluster)) }
        }
        let partitions = looked.flatMap { topic in
            topic.partitions.filter { $0.leader != nil }.map { TopicPartition(topic.name, $0.partition) }
        }
        let open = try await calls.producers(of: partitions, in: looked).filter {
            $0.transactionStart != nil && $0.state.lastTimestamp <= latest
        }
        let known = open.isEmpty ? [:] : try await TransactionLookup.underWay(open, calls)
        let hanging = open.filter { known[$0.partition]?[$0.state.producerId] == nil }
        try TransactionLookup.show(hanging, output.format)
        guard hanging.isEmpty else {
            try Output.standard.flush()
            throw CommandFailure(
                "\(counted(hanging.count, "transaction")) \(hanging.count == 1 ? "hangs" : "hang")",
                hint: "end one with 'swiftwater transaction abort TOPIC --partition N --start-offset OFFSET'")
        }
    }
}

struct TransactionAbort: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort", abstract: "End a hanging transaction of one partition.",
        discussion: """
            Writes a marker into the partition that aborts the transaction that begins at the offset. Only for \
            transactions that 'find-hanging' shows: what a coordinator has under way would be torn apart, so that is \
            refused, unless --force is given.

            EXAMPLES
              swiftwater transaction abort ratings --partition 0 --start-offset 42
            """)

    @Argument(help: "The topic.", completion: NameCompletion.topics) var topic: String
    @Option(name: .shortAndLong, help: "The partition.") var partition: Int32
    @Option(help: "Where the transaction begins, as 'producers' and 'find-hanging' show it.") var startOffset: Int64
    @Flag(help: "Write the marker even when a coordinator has the transaction under way.") var force = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let cluster = try await connection.connect()
        let calls = TransactionCalls(cluster)
        let description = try await ConnectionOptions.topic(topic, in: cluster)
        let places = try await chosenPartitions(String(partition), of: topic, in: cluster)
        let open = try await calls.producers(of: places, in: [description]).filter { $0.transactionStart != nil }
        guard let producer = open.first(where: { $0.transactionStart == startOffset }) else {
            let there = open.compactMap(\.transactionStart).map(String.init).joined(separator: ", ")
            throw CommandFailure(
                "no open transaction of \(topic)-\(partition) begins at offset \(startOffset)",
                hint: open.isEmpty ? "there is no open transaction" : "there are some at \(there)")
        }
        guard let leader = description.partitions.first(where: { $0.partition == partition })?.leader else {
            throw CommandFailure("partition \(topic)-\(partition) has no leader")
        }
        if !force { try await refuseUnderWay(producer, calls) }
        try await calls.abort(producer, leader: leader)
        try Output.standard.line(
            "aborted the transaction of producer \(producer.state.producerId) in \(topic)-\(partition)")
    }

    /// Its application would go on after the marker and commit what is left.
    private func refuseUnderWay(_ producer: TransactionCalls.Producer, _ calls: TransactionCalls) async throws {
        let known = try await TransactionLookup.underWay([producer], calls)
        guard let id = known[producer.partition]?[producer.state.producerId] else { return }
        let shown = RecordPrinter.visible(id)
        throw CommandFailure(
            "the transaction of '\(shown)' in \(producer.partition) is under way: its coordinator knows it",
            hint: "'swiftwater transaction terminate \(shown)' ends all of it; --force writes the marker anyway")
    }
}

// MARK: Shared pieces

private enum TransactionLookup {
    /// The transaction of an id, or a failure with the nearest id that there is.
    static func transaction(_ id: String, _ calls: TransactionCalls) async throws -> TransactionCalls.Description {
        do {
            return try await calls.describe(id)
        } catch let error as ClusterError where error.code == .transactionalIdNotFound {
            let ids = (try? await calls.list().map(\.id)) ?? []  // only for the hint
            if let nearest = nearestName(to: id, among: ids) {
                throw CommandFailure("transactional id '\(id)' does not exist: did you mean '\(nearest)'?")
            }
            throw CommandFailure(
                "transactional id '\(id)' does not exist", hint: "'swiftwater transaction list' shows those that do")
        }
    }

    /// Which of the producers' open transactions a coordinator has under way: their transactional ids, by partition and
    /// producer id.
    static func underWay(
        _ open: [TransactionCalls.Producer], _ calls: TransactionCalls
    ) async throws -> [TopicPartition: [Int64: String]] {
        var known: [TopicPartition: [Int64: String]] = [:]
        for listing in try await calls.list(producerIds: Set(open.map(\.state.producerId)).sorted()) {
            do {
                for partition in try await calls.describe(listing.id).partitions {
                    known[partition, default: [:]][listing.producerId] = listing.id
                }
            } catch let error as ClusterError where error.code == .transactionalIdNotFound {
                continue  // it expired in between
            }
        }
        return known
    }

    static func show(_ producers: [TransactionCalls.Producer], _ format: OutputFormat) throws {
        switch format {
        case .json:
            let values = producers.map { producer in
                JSONValue.object([
                    ("topic", .string(producer.partition.topic)),
                    ("partition", .number(Int64(producer.partition.partition))),
                    ("producerId", .number(producer.state.producerId)),
                    ("producerEpoch", .number(Int64(producer.state.producerEpoch))),
                    ("lastSequence", .number(Int64(producer.state.lastSequence))),
                    ("lastTimestamp", .number(producer.state.lastTimestamp)),
                    ("coordinatorEpoch", .number(Int64(producer.state.coordinatorEpoch))),
                    ("transactionStartOffset", producer.transactionStart.map { .number($0) } ?? .null),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table(
                "TOPIC", "PARTITION#", "PRODUCER ID#", "EPOCH#", "LAST SEQUENCE#", "LAST WRITTEN",
                "TRANSACTION START#")
            for producer in producers {
                table.add(
                    producer.partition.topic, String(producer.partition.partition),
                    String(producer.state.producerId), String(producer.state.producerEpoch),
                    String(producer.state.lastSequence),
                    producer.state.lastTimestamp >= 0
                        ? Timestamps.text(milliseconds: producer.state.lastTimestamp) : "-",
                    producer.transactionStart.map { String($0) } ?? "-")
            }
            try Output.standard.line(table.text)
        }
    }
}

/// Milliseconds of a span such as `15m` or `PT15M`.
func milliseconds(_ text: String, _ option: String) throws -> Int64 {
    guard let span = Timestamps.span(text) ?? Timestamps.isoSpan(text) else {
        throw ValidationError("\(option) \(text) is no span of time: write 90s, 15m, 1h30m or 2d")
    }
    return span
}
