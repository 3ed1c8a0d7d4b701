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

            EXAMPLES
              echo '{"stars": 5}' | swiftwater produce ratings
              swiftwater produce ratings --key 42 --value '{"stars": 4}' --header source=phone
              swiftwater produce users --key-separator : < users.txt
              swiftwater consume a -e -o json | swiftwater produce b --input json
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

    @Argument(help: "The topic.") var topic: String
    @Option(help: "The value of a record to write instead of reading lines; may be repeated.") var value: [String] = []
    @Option(name: .shortAndLong, help: "The key of every record.") var key: String?
    @Option(
        name: [.customShort("K"), .long],
        help: ArgumentHelp("Lines are key and value with this between them; \\t is a tab.", valueName: "text"))
    var keySeparator: String?
    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp("A header of every record; may be repeated.", valueName: "name=value"))
    var header: [String] = []
    @Option(name: .shortAndLong, help: "The partition. (default: by the key)") var partition: Int32?
    @Option(
        help: ArgumentHelp("Time of every record: @milliseconds, ISO 8601, or a span before now.", valueName: "time"))
    var timestamp: String?
    @Option(help: "How values are written in the input; keys too unless --key-format is given.")
    var format: ByteFormat = .string
    @Option(help: "How keys are written in the input: string, json or hex.") var keyFormat: ByteFormat?
    @Option(name: .shortAndLong, help: "text, or json for lines as consume -o json prints them.")
    var input: RecordParser.Input = .text
    @Option(help: ArgumentHelp("The text of a value that stands for null.", valueName: "text")) var nullValue: String?
    @Option(help: "Whose confirmation to wait for: 0 (nobody's), 1 (the leader's) or all.") var acks: Acks = .all
    @Flag(help: "Number the records, so that a retry never writes one twice.") var idempotent = false
    @Option(name: [.customShort("z"), .long], help: "Compress batches.") var compression: Compression = .none
    @Flag(name: .shortAndLong, help: "Do not report how many records were written.") var quiet = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if key != nil, keySeparator != nil { throw ValidationError("--key and --key-separator exclude each other") }
        if keySeparator?.isEmpty == true { throw ValidationError("--key-separator must not be empty") }
        if input == .json, keySeparator != nil { throw ValidationError("--key-separator is for --input text") }
        if idempotent, acks != .all { throw ValidationError("--idempotent needs --acks all") }
        if let partition, partition < 0 { throw ValidationError("--partition must not be negative") }
    }

    func run() async throws {
        let parser = try parser()
        var records: [ProducerRecord] = []
        for text in value { records.append(try parser.record(Array(text.utf8))) }
        // Lines come in groups: a few milliseconds let a batch take a whole group, which also compresses better.
        let cluster = try await connection.connect(["compression.type": compression.rawValue, "linger.ms": "5"])
        if let partition {
            _ = try await chosenPartitions(String(partition), of: topic, in: cluster)
        } else {
            _ = try await ConnectionOptions.topic(topic, in: cluster)
        }
        let writer = try await cluster.writer(idempotent ? .idempotent : .acks(acks.mode))
        // Reading blocks, so it has a thread of its own.
        let count = try await onThread { [topic, given = records] in
            var session = ProduceSession(topic: topic, writer: writer)
            if given.isEmpty {
                try session.writeLines(of: STDIN_FILENO, parser)
            } else {
                try session.write(given)
                try session.finish()
            }
            return session.count
        }
        await writer.close()
        if !quiet { swiftwater.Output.complain("wrote \(counted(count, "record")) to topic \"\(topic)\"") }
    }

    private func parser() throws -> RecordParser {
        var parser = RecordParser(input: input)
        parser.keyFormat = keyFormat ?? format
        parser.valueFormat = format
        parser.keySeparator = keySeparator.map(unescaped)
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
    private var receipts: [WriteReceipt] = []

    /// Receipts to wait for at most; beyond it reading stops until the cluster has caught up.
    private static let receiptCountMax = 64

    init(topic: String, writer: any RecordWriter) {
        self.topic = topic
        self.writer = writer
    }

    mutating func write(_ records: [ProducerRecord]) throws {
        guard !records.isEmpty else { return }
        receipts.append(try writer.submitBlocking(records, to: topic))
        if receipts.count >= Self.receiptCountMax { count += try receipts.removeFirst().positionsBlocking().count }
    }

    /// Waits for everything written.
    mutating func finish() throws {
        while !receipts.isEmpty { count += try receipts.removeFirst().positionsBlocking().count }
    }

    /// Writes the lines of a file until its end. A last line need not end in a line feed.
    mutating func writeLines(of descriptor: Int32, _ parser: RecordParser) throws {
        var lines = LineSplitter()
        var chunk = [UInt8](repeating: 0, count: 128 << 10)
        while true {
            // A person who types, or a slow program, learns at once whether a record was written.
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if !receipts.isEmpty, poll(&waiting, 1, 0) == 0 { try finish() }
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
                try finish()
                throw CommandFailure(failure.message, hint: "the \(counted(count, "record")) before it were written")
            }
            if byteCount == 0 { return try finish() }
        }
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
