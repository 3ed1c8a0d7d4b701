import Cluster
import HTTPKit
import NIOCore
import SQLSyntax
import SQLTypes
import Synchronization

/// PRINT: the raw records of a topic as text, by guessed formats, until the client has enough.
struct PrintQuery: Sendable {
    private static let fetchByteCountMax = 1 << 20
    private static let waitMax = Duration.seconds(30)

    let engine: SQLEngine
    let statement: PrintTopic
    let id: String
    private let readers: [any PartitionReader]

    /// - Throws: 40000 when there is no such topic.
    init(_ statement: PrintTopic, _ text: String, _ engine: SQLEngine) async throws(KsqlFailure) {
        self.engine = engine
        self.statement = statement
        id = QueryID.new("print")
        var readers: [any PartitionReader] = []
        do throws(ClusterError) {
            let topic = try await engine.cluster.topic(statement.topic)
            for partition in topic.partitions {
                readers.append(
                    try await engine.cluster.reader(
                        TopicPartition(topic.name, partition.partition),
                        from: statement.fromBeginning ? .beginning : .end, isolation: .readCommitted))
            }
            self.readers = readers
        } catch {
            for reader in readers { reader.close() }
            guard error.code == .unknownTopicOrPartition || error.code == .invalidTopic else {
                throw .server("Could not read topic '\(statement.topic)': \(error.message)", text)
            }
            var message =
                "Could not find topic '\(statement.topic)', or the KSQL user does not have permissions to list the topic."
                + " Topic names are case-sensitive."
            let others = (try? await engine.cluster.topics())?.map(\.name) ?? []
            let similar = others.filter { $0.lowercased() == statement.topic.lowercased() }.map { "\tprint \($0);" }
            if !similar.isEmpty { message += "\nDid you mean:\n" + similar.joined(separator: "\n") }
            throw .badRequest(message)
        }
    }

    /// Writes until LIMIT, or until the task is cancelled.
    ///
    /// - Parameter send: takes whole lines; calls do not overlap.
    func run(_ send: @escaping @Sendable (String) async throws -> Void) async throws {
        let printer = RecordPrinter(statement, engine.schemas)
        let engine = engine
        let (last, source) = AsyncStream.makeStream(of: Never.self)
        defer { for reader in readers { reader.close() } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Partitions take turns: none reads on before its records are written.
            let turn = Turns()
            for reader in readers {
                group.addTask {
                    while true {
                        let batch: FetchedBatches
                        do throws(ClusterError) {
                            batch = try await reader.next(maxBytes: Self.fetchByteCountMax, timeout: Self.waitMax)
                        } catch {
                            if error.code == .offsetOutOfRange { try reader.seek(to: 0) } else { throw error }
                            continue
                        }
                        try Task.checkCancellation()
                        guard !batch.isEmpty else { continue }
                        await turn.take()
                        defer { turn.give() }
                        let output = try await engine.work { () throws(KsqlFailure) in
                            do throws(ClusterError) { return printer.print(try batch.records()) } catch {
                                throw .server(error.message)
                            }
                        }
                        if !output.text.isEmpty { try await send(output.text) }
                        if output.isLast {
                            source.finish()
                            return
                        }
                    }
                }
            }
            group.addTask {
                for await _ in last {}
                throw CancellationError()
            }
            defer { group.cancelAll() }
            do { try await group.next() } catch is CancellationError { try Task.checkCancellation() }
        }
    }
}

/// One after the other.
private final class Turns: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func take() async {
        await withCheckedContinuation { continuation in
            let mayGo = state.withLock { state in
                guard state.isTaken else {
                    state.isTaken = true
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if mayGo { continuation.resume() }
        }
    }

    func give() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

/// Turns records into the lines of PRINT. Its questions to the registry block.
final class RecordPrinter: Sendable {
    struct Output: Sendable {
        var text: String
        var isLast: Bool
    }

    private struct State {
        var keys: FormatGuess
        var values: FormatGuess
        var shown: (key: String, value: String)?
        var seen = 0
        var printed = 0
    }

    private let statement: PrintTopic
    private let state: Mutex<State>

    init(_ statement: PrintTopic, _ schemas: SQLSchemas?) {
        self.statement = statement
        let texts = SchemaTexts(schemas)
        state = Mutex(
            State(keys: FormatGuess(isKey: true, schemas: texts), values: FormatGuess(isKey: false, schemas: texts)))
    }

    func print(_ records: [ConsumerRecord]) -> Output {
        state.withLock { state in
            var text = ""
            let limit = statement.limit.map(Int.init) ?? .max
            let interval = max(1, statement.interval.map(Int.init) ?? 1)
            for record in records {
                guard state.printed < limit else { break }
                defer { state.seen += 1 }
                guard state.seen % interval == 0 else { continue }
                let key = state.keys.text(record.key.map { Array($0.readableBytesView) })
                let value = state.values.text(record.value.map { Array($0.readableBytesView) })
                let formats = (key: state.keys.description, value: state.values.description)
                if state.shown.map({ $0 != formats }) ?? true {
                    state.shown = formats
                    text += "Key format: \(formats.key)\nValue format: \(formats.value)\n"
                }
                text += "rowtime: \(Self.time(record.timestamp)), key: \(key), value: \(value), "
                text += "partition: \(record.partition)\n"
                state.printed += 1
            }
            return Output(text: text, isLast: state.printed >= limit)
        }
    }

    /// `2022/03/18 15:53:22.989 Z`
    static func time(_ timestamp: Int64) -> String {
        guard timestamp >= 0 else { return "N/A" }
        let (days, milliseconds) = timestamp.quotientAndRemainder(dividingBy: 86_400_000)
        let date = CivilDate(days: Int(days))
        func padded(_ number: Int, _ count: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, count - digits.count)) + digits
        }
        let seconds = Int(milliseconds / 1000)
        let day = "\(padded(date.year, 4))/\(padded(date.month, 2))/\(padded(date.day, 2))"
        let clock = "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
        return "\(day) \(clock).\(padded(Int(milliseconds % 1000), 3)) Z"
    }
}

extension QueryService {
    func printAnswer(_ statement: PrintTopic, _ query: ClientQuery) async throws(KsqlFailure) -> HTTPAnswer {
        let print = try await PrintQuery(statement, query.text, engine)
        return .stream(contentType: "text/plain; charset=utf-8") { body in
            let lines = body
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    var lines = lines
                    while true {
                        try await Task.sleep(for: Self.keepAlive)
                        try await lines.write("\n")
                    }
                }
                defer { group.cancelAll() }
                try await print.run { text in
                    var lines = lines
                    try await lines.write(text)
                }
            }
        }
    }
}
