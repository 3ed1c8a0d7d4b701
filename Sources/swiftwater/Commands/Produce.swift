import ArgumentParser
import Cluster
import Glibc
import NIOCore
import RecordBatches

struct Produce: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Write lines of standard input to a topic, one record each.",
        discussion: """
            Records with a key go to the partition that the Java client would choose, and everything built on it (murmur2).

            With --transactional the whole input is one transaction, or as many as --transaction-size makes of it: readers \
            see all of its records or, after an error or Ctrl-C, none.

            EXAMPLES
              echo '{"stars": 5}' | swiftwater produce ratings
              swiftwater produce ratings --key 42 --value '{"stars": 4}' -H source=phone
              swiftwater produce users --key-separator : < users.txt
              swiftwater consume a -e -o json | swiftwater produce b --input json
              swiftwater produce users --transactional import-1 < users.txt
              swiftwater produce counts --key 7 --key-format int --value 42 \\
                  --value-format long
              swiftwater produce pictures --key cat --value-file cat.png
              swiftwater produce ratings --value-format avro \\
                  --value-schema ratings.avsc < ratings.jsonl
            """)

    enum Acks: String, CaseIterable, ExpressibleByArgument {
        case none = "0"
        case leader = "1"
        case all

        var mode: WriterMode.Acks {
            switch self {
            case .none: .none
            case .leader: .leader
            case .all: .all
            }
        }
    }

    enum Compression: String, CaseIterable, ExpressibleByArgument {
        case none, gzip, snappy, lz4, zstd
    }

    @Argument(help: "The topic.", completion: NameCompletion.topics) var topic: String
    // A value, a key or a separator may well begin with a hyphen: what stands behind these is never an option.
    @Option(
        parsing: .unconditionalSingleValue,
        help: "The value of a record to write instead of reading lines; may be repeated.")
    var value: [String] = []
    @Option(
        help: ArgumentHelp(
            "A file whose bytes, as they are, are the value of a record to write; may be repeated.", valueName: "file"),
        completion: .file())
    var valueFile: [String] = []
    @Option(name: .shortAndLong, parsing: .unconditional, help: "The key of every record.") var key: String?
    @Option(
        name: [.customShort("K"), .long], parsing: .unconditional,
        help: ArgumentHelp("Lines are key and value with this between them; \\t is a tab.", valueName: "text"))
    var keySeparator: String?
    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp("A header of every record; may be repeated.", valueName: "name=value"))
    var header: [String] = []
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Lines begin with headers, as in a=1,b=2, and this behind them; \\t is a tab.", valueName: "text"))
    var headerSeparator: String?
    @Option(name: .shortAndLong, help: "The partition. (default: by the key)") var partition: Int32?
    @Option(
        help: ArgumentHelp("Time of every record: @milliseconds, ISO 8601, or a span before now.", valueName: "time"))
    var timestamp: String?
    @Option(help: "How keys and values are written in the input.") var format: RecordFormat = .string
    @Option(help: "How keys are written in the input, where it is not --format.") var keyFormat: RecordFormat?
    @Option(help: "How values are written in the input, where it is not --format.") var valueFormat: RecordFormat?
    @Option(
        help: ArgumentHelp(
            "Register this schema for the values, under TOPIC-value. (default: the latest one there)",
            valueName: "file"), completion: .file())
    var valueSchema: String?
    @Option(
        help: ArgumentHelp(
            "Register this schema for the keys, under TOPIC-key. (default: the latest one there)", valueName: "file"),
        completion: .file())
    var keySchema: String?
    @Option(
        help: ArgumentHelp("The message of a Protobuf schema that values are. (default: the first)", valueName: "name"))
    var valueMessage: String?
    @Option(name: .shortAndLong, help: "text, or json for lines as consume -o json prints them.")
    var input: RecordParser.Input = .text
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The text of a value that stands for null.", valueName: "text"))
    var nullValue: String?
    @Option(help: "Whose confirmation to wait for: 0 (nobody's), 1 (the leader's) or all.") var acks: Acks = .all
    @Flag(help: "Number the records, so that a retry never writes one twice.") var idempotent = false
    @Option(help: ArgumentHelp("Write in transactions, under this transactional id.", valueName: "id"))
    var transactional: String?
    @Option(help: ArgumentHelp("Commit after so many records. (default: all in one transaction)", valueName: "count"))
    var transactionSize: Int?
    @Option(
        help: ArgumentHelp(
            "Seconds that a transaction may stay open before the cluster aborts it.", valueName: "seconds"))
    var transactionTimeout: Double = 60
    @Option(name: [.customShort("z"), .long], help: "Compress batches.") var compression: Compression = .none
    @Flag(name: .shortAndLong, help: "Do not report how many records were written.") var quiet = false
    @OptionGroup var registry: RegistryOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if valueSchema != nil, (valueFormat ?? format).schemaType == nil {
            throw ValidationError("--value-schema needs --value-format avro, protobuf or json-schema")
        }
        if keySchema != nil, (keyFormat ?? format).schemaType == nil {
            throw ValidationError("--key-schema needs --key-format avro, protobuf or json-schema")
        }
        if valueMessage != nil, (valueFormat ?? format) != .protobuf {
            throw ValidationError("--value-message needs --value-format protobuf")
        }
        if key != nil, keySeparator != nil { throw ValidationError("--key and --key-separator exclude each other") }
        if keySeparator?.isEmpty == true { throw ValidationError("--key-separator must not be empty") }
        if headerSeparator?.isEmpty == true { throw ValidationError("--header-separator must not be empty") }
        if input == .json, headerSeparator != nil {
            throw ValidationError("--header-separator is for --input text")
        }
        if !valueFile.isEmpty {
            if !value.isEmpty { throw ValidationError("--value and --value-file exclude each other") }
            guard input == .text, keySeparator == nil, headerSeparator == nil else {
                throw ValidationError("--value-file takes the bytes of files: leave out what splits lines")
            }
        }
        if input == .json, keySeparator != nil { throw ValidationError("--key-separator is for --input text") }
        if idempotent, acks != .all { throw ValidationError("--idempotent needs --acks all") }
        if transactional?.isEmpty == true { throw ValidationError("--transactional must not be empty") }
        if transactional != nil, acks != .all { throw ValidationError("--transactional needs --acks all") }
        if transactional == nil, transactionSize != nil {
            throw ValidationError("--transaction-size is for --transactional")
        }
        if let transactionSize, transactionSize < 1 { throw ValidationError("--transaction-size must be at least 1") }
        guard transactionTimeout > 0, transactionTimeout < 1e6 else {
            throw ValidationError("--transaction-timeout must be more than 0 seconds")
        }
        if let partition, partition < 0 { throw ValidationError("--partition must not be negative") }
    }

    func run() async throws {
        var parser = try parser()
        // Lines come in groups: a few milliseconds let a batch take a whole group, which also compresses better.
        let cluster = try await connection.connect([
            "compression.type": compression.rawValue, "linger.ms": "5",
            "message.timeout.ms": String(Int64(connection.timeout * 1000)),
        ])
        if let partition {
            _ = try await chosenPartitions(String(partition), of: topic, in: cluster)
        } else {
            _ = try await ConnectionOptions.topic(topic, in: cluster)
        }
        parser.keyEncoder = try await encoder(.key, keyFormat ?? format, keySchema)
        parser.valueEncoder = try await encoder(.value, valueFormat ?? format, valueSchema)
        var records: [ProducerRecord] = []
        for text in value { records.append(try parser.record(Array(text.utf8))) }
        for path in valueFile {
            let bytes = try PropertiesFile.bytes(path)
            do {
                records.append(try parser.record(bytes))
            } catch let failure as CommandFailure {
                throw CommandFailure("\(path): \(failure.message)", hint: failure.hint)
            }
        }
        var session: ProduceSession
        let interruption: Interruption?
        if let transactional {
            let writer = try await cluster.transactionalWriter(
                transactional, timeout: .milliseconds(Int64(transactionTimeout * 1000)))
            session = ProduceSession(topic: topic, writer: writer)
            session.transactions = Transactions(writer, countMax: transactionSize ?? .max)
            interruption = try Interruption()
        } else {
            session = ProduceSession(
                topic: topic, writer: try await cluster.writer(idempotent ? .idempotent : .acks(acks.mode)))
            interruption = nil
        }
        // Reading blocks, so it has a thread of its own.
        let count = try await onThread { [start = session, given = records, parser] in
            var session = start
            do {
                if given.isEmpty {
                    try session.writeLines(of: STDIN_FILENO, parser, interruption)
                } else {
                    try session.write(given)
                    try session.finish()
                }
            } catch {
                throw session.transactions?.abort(because: error) ?? error
            }
            return session.count
        }
        await session.writer.close()
        if !quiet { swiftwater.Output.complain("wrote \(counted(count, "record")) to topic '\(topic)'") }
    }

    /// What serializes the keys or values; nil where they have no schema.
    private func encoder(
        _ part: RecordPart, _ format: RecordFormat, _ schema: String?
    ) async throws -> RegistryEncoder? {
        guard let type = format.schemaType else { return nil }
        let subject = "\(topic)-\(part.rawValue)"
        let message = part == .value ? valueMessage : nil
        let text = try schema.map { try PropertiesFile.text($0) }
        do {
            return try await registry.explaining(subject: subject) { registry in
                guard let text else {
                    return try await RegistryEncoder.latest(of: subject, type, message: message, in: registry)
                }
                return try await RegistryEncoder.registering(
                    text, under: subject, type, message: message, in: registry)
            }
        } catch var failure as CommandFailure where schema == nil && failure.message.contains("does not exist") {
            failure.hint = "give the schema with --\(part.rawValue)-schema FILE, or register one"
            throw failure
        }
    }

    private func parser() throws -> RecordParser {
        var parser = RecordParser(input: input)
        parser.keyFormat = (keyFormat ?? format).bytes
        parser.valueFormat = (valueFormat ?? format).bytes
        parser.keySeparator = keySeparator.map(unescaped)
        parser.headerSeparator = headerSeparator.map(unescaped)
        parser.key = try key.map { try parser.keyFormat.decode($0.utf8) }
        parser.nullText = nullValue
        parser.headers = try pairs(header, option: "--header").map {
            RecordHeader(key: $0.name, value: Array($0.value.utf8))
        }
        parser.partition = partition
        if let timestamp {
            guard let time = Timestamps.parse(timestamp, now: Timestamps.nowMilliseconds()) else {
                throw CommandFailure.usage(
                    "--timestamp \(timestamp) is no time",
                    hint: "@1764093600000 (milliseconds), 2026-11-25T18:00:00Z, or a span before now (15m)")
            }
            parser.timestamp = time
        }
        return parser
    }
}

/// Writes records with several receipts under way, on one thread.
struct ProduceSession: Sendable {
    let topic: String
    let writer: any RecordWriter
    /// Records that the cluster has confirmed.
    private(set) var count = 0
    /// nil: records are visible one by one.
    var transactions: Transactions?
    private var receipts: [WriteReceipt] = []

    /// Receipts to wait for at most; beyond it reading stops until the cluster has caught up.
    private static let receiptCountMax = 64

    init(topic: String, writer: any RecordWriter) {
        self.topic = topic
        self.writer = writer
    }

    mutating func write(_ records: [ProducerRecord]) throws {
        guard transactions != nil else { return try submit(records) }
        var rest = records[...]
        while !rest.isEmpty {
            let part = rest.prefix(try transactions?.begin() ?? 0)
            try submit(Array(part))
            if transactions?.add(part.count) == true { try commit() }
            rest = rest.dropFirst(part.count)
        }
    }

    private mutating func submit(_ records: [ProducerRecord]) throws {
        guard !records.isEmpty else { return }
        receipts.append(try writer.submitBlocking(records, to: topic))
        if receipts.count >= Self.receiptCountMax { count += try receipts.removeFirst().positionsBlocking().count }
    }

    /// Waits for everything written, and commits it.
    mutating func finish() throws {
        try settle()
        if transactions != nil { try commit() }
    }

    private mutating func settle() throws {
        while !receipts.isEmpty { count += try receipts.removeFirst().positionsBlocking().count }
    }

    private mutating func commit() throws {
        try settle()
        try transactions?.commit()
    }

    /// Writes the lines of a file until its end. A last line need not end in a line feed.
    ///
    /// - Throws: `CommandFailure` (interrupted) when a signal comes before the end.
    mutating func writeLines(
        of descriptor: Int32, _ parser: RecordParser, _ interruption: Interruption? = nil
    ) throws {
        var lines = LineSplitter()
        var chunk = [UInt8](repeating: 0, count: 128 << 10)
        while true {
            // A person who types, or a slow program, learns at once whether a record was written.
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if !receipts.isEmpty, poll(&waiting, 1, 0) == 0 { try settle() }
            if let interruption { try Self.wait(for: descriptor, interruption) }
            let byteCount = read(descriptor, &chunk, chunk.count)
            if byteCount < 0 {
                if errno == EINTR { continue }
                throw CommandFailure("cannot read the input: \(String(cString: strerror(errno)))")
            }
            let new = byteCount == 0 ? lines.rest().map { [$0] } ?? [] : lines.split(chunk[..<byteCount])
            var records: [ProducerRecord] = []
            var failure: CommandFailure?
            for (index, line) in new.enumerated() {
                do {
                    records.append(try parser.record(line))
                } catch let error as CommandFailure {
                    failure = error
                    failure?.message = "line \(lines.count - new.count + index + 1): \(error.message)"
                    break
                }
            }
            try write(records)
            if let failure {
                if transactions != nil { throw failure }
                try finish()
                throw CommandFailure(failure.message, hint: linesBefore(count, "written"))
            }
            if byteCount == 0 { return try finish() }
        }
    }
}

extension ProduceSession {
    /// Returns when there is something to read.
    private static func wait(for descriptor: Int32, _ interruption: Interruption) throws {
        var waiting = [
            pollfd(fd: interruption.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&waiting, 2, -1) < 0, errno == EINTR {}
        if waiting[0].revents != 0 { throw CommandFailure("interrupted", kind: .interrupted) }
    }
}

/// The transactions that one input is cut into.
struct Transactions: Sendable {
    private let writer: any TransactionalWriter
    /// Records per transaction.
    private let countMax: Int
    /// Records in the open transaction; nil without one.
    private var open: Int?
    /// Records in transactions that were committed.
    private var committed = 0

    init(_ writer: any TransactionalWriter, countMax: Int) {
        self.writer = writer
        self.countMax = countMax
    }

    /// Opens a transaction unless one is open.
    ///
    /// - Returns: how many records have room in it.
    mutating func begin() throws -> Int {
        if open == nil {
            try writer.begin()
            open = 0
        }
        return countMax - (open ?? 0)
    }

    /// Notes records that were handed over.
    ///
    /// - Returns: whether the transaction is full.
    mutating func add(_ count: Int) -> Bool {
        open = (open ?? 0) + count
        return open == countMax
    }

    mutating func commit() throws {
        guard let count = open else { return }
        try writer.commitBlocking()
        committed += count
        open = nil
    }

    /// Takes back what is open.
    ///
    /// - Returns: the failure to report, which says what became of the records.
    mutating func abort(because error: any Error) -> any Error {
        var failure = (error as? CommandFailure) ?? (error as? ClusterError).map { CommandFailure($0) }
        guard failure != nil else { return error }
        do throws(ClusterError) {
            try writer.abortBlocking()
            failure?.message += ": the transaction was aborted"
        } catch  where error.code == .producerFenced {
            failure = CommandFailure(
                "another producer has taken the transactional id '\(writer.transactionalId)', or its transaction was open "
                    + "for longer than --transaction-timeout")
            failure?.hint = "the transaction of this one was aborted"
        } catch {
            failure?.message += ": the transaction is left to the cluster to abort (\(error.message))"
        }
        if committed > 0 { failure?.hint = linesBefore(committed, "committed") }
        open = nil
        return failure ?? error
    }
}

/// Cuts a stream of bytes into lines.
struct LineSplitter {
    private var partial: [UInt8] = []
    /// Lines given so far.
    private(set) var count = 0

    /// The lines that end in `bytes`, without their line feeds.
    mutating func split(_ bytes: ArraySlice<UInt8>) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var rest = bytes
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(partial + rest[..<end])
            partial = []
            rest = rest[(end + 1)...]
        }
        partial += rest
        count += lines.count
        return lines
    }

    /// The last line, when the stream ended without a line feed.
    mutating func rest() -> [UInt8]? {
        guard !partial.isEmpty else { return nil }
        defer { partial = [] }
        count += 1
        return partial
    }
}

/// What became of the `count` records in front of the one that failed.
private func linesBefore(_ count: Int, _ done: String) -> String {
    switch count {
    case 0: "nothing was \(done)"
    case 1: "the 1 record before it was \(done)"
    default: "the \(count) records before it were \(done)"
    }
}
