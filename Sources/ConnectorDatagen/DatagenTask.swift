import ConnectCore

/// Makes records until there are enough, at the pace that is asked for.
///
/// The state is one stream of random numbers and the number of records made so far; both are in each record's offset, as
/// the original has it: a task that starts again goes on with the record that would have come next.
///
/// `@unchecked Sendable`: the contract has one caller at a time for everything but `stop`, which touches `pause` only.
final class DatagenTask: SourceTask, @unchecked Sendable {
    static let taskID = "task.id"
    static let generation = "task.generation"
    static let iteration = "current.iteration"
    static let seed = "random.seed"
    static let batchCountMax = 1000

    private let options: DatagenOptions
    private let context: any SourceTaskContext
    private let pause = TaskPause()
    private var generator: RecordGenerator?
    private var keyPlace: Int?
    private var partition = ConnectMap()
    /// An offset with its members in the order in which Java's HashMap writes them; the places of what changes in it.
    private var offset = ConnectMap()
    private var headers: [ConnectHeader] = []
    private var count: Int64 = 0
    /// When the next record is due.
    private var due = ContinuousClock.now
    private var paces = SystemRandomNumberGenerator()

    init(_ options: DatagenOptions, _ context: any SourceTaskContext) {
        self.options = options
        self.context = context
    }

    func start() async throws(ConnectError) {
        let task = options.taskID ?? context.identity.task
        partition = ConnectMap([(Self.taskID, .int32(Int32(clamping: task)))])
        var random = JavaRandom(seed: options.seed ?? .random(in: .min ... .max))
        if options.seed != nil {
            // Each task draws the seed of the next, so that all make other data, and the same each time.
            for _ in 0..<task { random.setSeed(random.nextLong()) }
        }
        var life: Int64 = 0
        if let stored = try await context.offset(of: partition) {
            guard let storedLife = stored[Self.generation]?.integer, let past = stored[Self.iteration]?.integer,
                past >= 0, let seed = stored[Self.seed]?.integer
            else {
                throw ConnectError(
                    .connect,
                    "The stored offset of task \(task) is none of this connector's: it needs \(Self.generation), "
                        + "\(Self.iteration) and \(Self.seed). Delete the connector's offsets to begin anew.")
            }
            life = storedLife
            count = past
            random.setSeed(seed)
        }
        let program = try GeneratorProgram(options.schemaText(), past: count)
        if let key = options.keyField {
            guard let place = program.schema.index(of: key) else {
                throw .config(DatagenOptions.noField(key, program.schema))
            }
            keyPlace = place
        }
        generator = RecordGenerator(program, random: random)
        offset =
            ConnectMap([(Self.generation, .int64(life + 1)), (Self.iteration, .int64(0)), (Self.seed, .int64(0))])
            .hashOrdered()
        headers = [
            ConnectHeader(Self.generation, .int64, .int64(life)),
            ConnectHeader(Self.taskID, .int64, .int64(Int64(task))),
            ConnectHeader(Self.iteration, .int64, .int64(count)),
        ]
        due = .now + nextPause()
    }

    func poll() async throws(ConnectError) -> SourcePoll {
        let wait = min(due - .now, .seconds(1))
        if wait > .zero {
            await pause.wait(wait)
            if due > .now { return SourcePoll() }
        }
        guard !pause.isEnded, !Task.isCancelled else { return SourcePoll() }
        if let iterations = options.iterations, count >= iterations {
            throw ConnectError(
                .connect, "Stopping connector: generated the configured \(count) number of messages")
        }
        let now = ContinuousClock.now
        var records: [ConnectRecord] = []
        while records.count < Self.batchCountMax {
            if let iterations = options.iterations, count >= iterations { break }
            records.append(try record())
            let pause = nextPause()
            due = max(due, now) + pause
            // Those of pauses that have passed come together: a short pause must not cost a call each.
            if pause > .zero, due > now { break }
        }
        return SourcePoll(records)
    }

    private func record() throws(ConnectError) -> ConnectRecord {
        guard var generator else { throw ConnectError(.connect, "The task was not started") }
        // Taken out while it is changed: kept in two places it would be copied with every record.
        self.generator = nil
        defer { self.generator = generator }
        let began = options.timeout.map { _ in ContinuousClock.now }
        let value = generator.next()
        if let began, let timeout = options.timeout, .now - began > .milliseconds(timeout) {
            throw ConnectError(.connect, "Record generation timed out: a record took more than \(timeout) ms")
        }
        // The stream begins anew with each record, so that its state fits into an offset.
        let seed = generator.random.nextLong()
        generator.random.setSeed(seed)
        headers[2].value = .int64(count)
        count += 1
        var offset = self.offset
        offset[Self.iteration] = .int64(count)
        offset[Self.seed] = .int64(seed)
        var key = SchemaAndValue(.optionalString, .null)
        if let keyPlace, case .structure(let structure) = value {
            key = SchemaAndValue(generator.schema.fields[keyPlace].schema, structure.values[keyPlace])
        }
        return ConnectRecord(
            topic: options.topic, key: key, value: SchemaAndValue(generator.schema, value), headers: headers,
            origin: .source(partition: partition, offset: offset))
    }

    private func nextPause() -> Duration {
        guard options.intervalMax > 0 else { return .zero }
        return .milliseconds(Int64(Double(options.intervalMax) * Double.random(in: 0..<1, using: &paces)))
    }

    func stop() async { pause.end() }
}
