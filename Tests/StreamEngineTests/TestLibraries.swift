import Columns
import SQLPlan
import SQLSyntax
import SQLTypes

@testable import StreamEngine

/// A format for tests: keys and values are the bytes of a struct of all columns. Bytes that are empty cannot be read, and
/// those of `silent` only when what it takes is there.
struct TestFormats: FormatLibrary {
    static let format = SerdeFormat(FormatInfo(.json))
    static let silent: [SQLValue] = [.string("no registry")]

    static func bytes(_ values: [SQLValue]) -> [UInt8] {
        var bytes: [UInt8] = []
        ValueCodec.append(.structure(values), to: &bytes)
        return bytes
    }

    static func values(_ bytes: [UInt8]) -> [SQLValue] {
        bytes.withUnsafeBytes { bytes in
            var at = 0
            return ValueCodec.read(bytes, at: &at).structure ?? []
        }
    }

    final class Decoder: RecordDecoder {
        let types: [SQLType]
        let wanted: [Int]

        init(_ columns: [RowSchema.Column], _ wanted: [Int]) {
            types = columns.map(\.type)
            self.wanted = wanted
        }

        func decode(_ records: BytesColumn) -> DecodedRecords {
            let builders = wanted.map { VectorBuilder(types[$0]) }
            var failures: [DecodedRecords.Failure] = []
            for row in 0..<records.count {
                let bytes = records.array(row)
                if bytes?.isEmpty == true { failures.append(.init(row: row, message: "empty")) }
                if bytes == TestFormats.bytes(TestFormats.silent) {
                    failures.append(.init(row: row, message: "no registry", mayPass: true))
                }
                let values =
                    bytes.map {
                        $0.isEmpty || $0 == TestFormats.bytes(TestFormats.silent) ? [] : TestFormats.values($0)
                    } ?? []
                for (builder, index) in zip(builders, wanted) {
                    builder.append(index < values.count ? values[index] : .null)
                }
            }
            return DecodedRecords(columns: builders.map { $0.finish() }, failures: failures)
        }
    }

    final class Encoder: RecordEncoder {
        let types: [SQLType]
        init(_ columns: [RowSchema.Column]) { types = columns.map(\.type) }

        func encode(_ columns: [Vector], count: Int, present: Validity) throws(EngineError) -> BytesColumn {
            let builder = ColumnBuilder(.bytes)
            for row in 0..<count {
                if present.isValid(row) {
                    let values = zip(columns, types).map { $0.value(row, $1) }
                    TestFormats.bytes(values).withUnsafeBytes { _ = builder.append(bytes: $0) }
                } else {
                    builder.appendNull()
                }
            }
            guard case .bytes(let column) = builder.finish() else { throw EngineError(.invalidPlan, "") }
            return column
        }
    }

    func decoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column], wanted: [Int]
    ) throws(EngineError) -> any RecordDecoder { Decoder(columns, wanted) }

    func encoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column]
    ) throws(EngineError) -> any RecordEncoder { Encoder(columns) }

    func timestampText(_ pattern: String) throws(EngineError) -> TimestampText {
        TimestampText { (text: String) throws(EvaluationFailure) in
            guard let value = Int64(text) else { throw EvaluationFailure("no number") }
            return value
        }
    }
}

/// A few functions with the behaviour that tests need.
struct TestFunctions: FunctionLibrary {
    func scalar(_ call: FunctionCall, returns type: SQLType) throws(EngineError) -> ScalarCall {
        switch call.function {
        case "COALESCE":
            return ScalarCall(isLazy: true) { values, _ throws(EvaluationFailure) in
                values.first { !$0.isNull } ?? .null
            }
        case "FAIL_IF_ODD":
            return ScalarCall { values, _ throws(EvaluationFailure) in
                guard let value = values[0].int else { return .null }
                if value % 2 != 0 { throw EvaluationFailure("odd") }
                return .int(value)
            }
        case "LCASE", "UCASE", "CONCAT": return ScalarCall { _, _ throws(EvaluationFailure) in .null }
        case "TRANSFORM":
            return ScalarCall { values, lambdas throws(EvaluationFailure) in
                guard let elements = values[0].array else { return .null }
                var made: [SQLValue] = []
                for element in elements { made.append(try lambdas[0]([element])) }
                return .array(made)
            }
        default: throw EngineError(.invalidPlan, "no function \(call.function)")
        }
    }

    /// LIST collects values as text: a state of any size.
    func aggregate(_ call: AggregateFunctionCall) throws(EngineError) -> AggregateCall {
        AggregateCall(
            initial: { .array([]) },
            add: { state, values throws(EvaluationFailure) in
                if values[0] == .int(666) { throw EvaluationFailure("Numeric field overflow") }
                state = .array((state.array ?? []) + values)
            },
            undo: { state, values throws(EvaluationFailure) in
                var list = state.array ?? []
                if let place = list.firstIndex(of: values[0]) { list.remove(at: place) }
                state = .array(list)
            },
            merge: { a, b throws(EvaluationFailure) in .array((a.array ?? []) + (b.array ?? [])) },
            result: { state throws(EvaluationFailure) in state })
    }

    func table(_ call: TableFunctionCall) throws(EngineError) -> ([SQLValue]) throws(EvaluationFailure) -> [SQLValue] {
        { values throws(EvaluationFailure) in values[0].array ?? [] }
    }
}

/// A record of tests: values of key and value columns.
struct TestRecord: Hashable, CustomStringConvertible {
    var topic = "A"
    var key: [SQLValue]?
    var value: [SQLValue]?
    var timestamp: Int64
    var window: [Int64]?
    var headers: [SourceBatch.Header] = []

    var description: String {
        let key = key.map { "\($0)" } ?? "-"
        let value = value.map { "\($0)" } ?? "-"
        return "\(topic) \(timestamp) \(key) \(value) \(window.map { "\($0)" } ?? "")"
    }
}

/// Builds plans and runs them.
enum Plans {
    typealias Column = RowSchema.Column

    static let store = StateStore("S", formats: .init(key: TestFormats.format, value: TestFormats.format))
    static let formats = InternalFormats(key: TestFormats.format, value: TestFormats.format)

    static func source(
        _ topic: String, key: [Column] = [Column("K", .int)], values: [Column], isTable: Bool = false,
        window: WindowInfo? = nil, timestamp: TimestampColumn? = nil
    ) -> PlanStep {
        let source = SourceStep(
            sourceName: topic, topic: topic, keyColumns: key, keyFormat: TestFormats.format, window: window,
            valueColumns: values, valueFormat: TestFormats.format, timestamp: timestamp,
            origins: key.indices.map { .key($0) } + values.indices.map { .value($0) }, store: isTable ? store : nil)
        return PlanStep(
            [topic, "Source"], .source(source), schema: RowSchema(keys: key, values: values, window: window),
            isTable: isTable)
    }

    static func column(_ step: PlanStep, _ index: Int) -> TypedExpression {
        TypedExpression(.column(index), step.schema.columns[index].type)
    }

    static func int(_ value: Int32) -> TypedExpression { TypedExpression(.literal(.int(value)), .int) }

    static func isGreater(_ a: TypedExpression, _ b: TypedExpression) -> TypedExpression {
        TypedExpression(.comparison(.greater, a, b), .boolean)
    }

    static func group(_ input: PlanStep, by keys: [TypedExpression]) -> PlanStep {
        let schema = RowSchema(
            keys: keys.enumerated().map { Column("G\($0.offset)", $0.element.type) }, values: input.schema.columns)
        return PlanStep(
            ["Aggregate", "GroupBy"],
            .group(
                GroupStep(
                    input, keys: keys, carried: Array(input.schema.columns.indices), isByKey: false, repartition: nil,
                    formats: formats)), schema: schema, isTable: input.isTable)
    }

    static func call(_ name: String, _ arguments: [TypedExpression], _ type: SQLType) -> AggregateFunctionCall {
        AggregateFunctionCall(function: name, arguments: arguments, parameters: [], stateType: type, type: type)
    }

    static func aggregate(
        _ group: PlanStep, retained: [Int] = [], _ functions: [AggregateFunctionCall],
        window: WindowSpecification? = nil
    ) -> PlanStep {
        var values = retained.map { group.schema.columns[$0] }
        values += functions.enumerated().map { Column("KSQL_AGG_VARIABLE_\($0.offset)", $0.element.type) }
        var info: WindowInfo?
        switch window?.kind {
        case .tumbling(let size): info = WindowInfo(.tumbling, size: size)
        case .hopping(let size, _): info = WindowInfo(.hopping, size: size)
        case .session: info = WindowInfo(.session, size: nil)
        case nil: break
        }
        if window != nil { values += [Column("WINDOWSTART", .bigint), Column("WINDOWEND", .bigint)] }
        return PlanStep(
            ["Aggregate", "Aggregate"],
            .aggregate(
                AggregateStep(
                    group, retained: retained, functions: functions, window: window, hasWindowBounds: window != nil,
                    store: store)),
            schema: RowSchema(keys: Array(group.schema.keys), values: values, window: info), isTable: true)
    }

    static func sink(_ input: PlanStep) -> PhysicalPlan {
        let sink = SinkStep(
            input, topic: "OUT", keyFormat: TestFormats.format, valueFormat: TestFormats.format, timestamp: nil)
        return PhysicalPlan(
            id: "Q", kind: .createAs, sinkName: "OUT", sourceNames: [],
            root: PlanStep(["OUT"], .sink(sink), schema: input.schema, isTable: input.isTable))
    }

    /// Runs a plan over records, cut into batches behind the places of `cuts`; nil: one by one.
    static func run(
        _ plan: PhysicalPlan, _ records: [TestRecord], cuts: Set<Int>? = nil,
        settings: EngineSettings = EngineSettings()
    ) throws -> (output: [TestRecord], failure: EngineError?, log: [ProcessingLogEntry], task: QueryTask) {
        let task = try task(plan, settings)
        let result = feed(task, records[...], cuts: cuts)
        return (result.output, result.failure, result.log, task)
    }

    static func task(_ plan: PhysicalPlan, _ settings: EngineSettings = EngineSettings()) throws -> QueryTask {
        try QueryTask(plan, functions: TestFunctions(), formats: TestFormats(), settings: settings)
    }

    /// Gives records to a task, in batches.
    static func feed(
        _ task: QueryTask, _ records: ArraySlice<TestRecord>, cuts: Set<Int>? = nil
    ) -> (output: [TestRecord], failure: EngineError?, log: [ProcessingLogEntry]) {
        var output: [TestRecord] = []
        var log: [ProcessingLogEntry] = []
        var failure: EngineError?
        var at = records.startIndex
        while at < records.endIndex {
            var end = at + 1
            while end < records.endIndex, records[end].topic == records[at].topic, let cuts, !cuts.contains(end) {
                end += 1
            }
            let batch = SourceBatch(
                topic: records[at].topic,
                records: (at..<end).map { index in
                    let record = records[index]
                    return (
                        record.key.map { TestFormats.bytes($0) + windowBytes(record.window) },
                        record.value.map { $0.isEmpty ? [] : TestFormats.bytes($0) },
                        record.timestamp, Int64(index), record.headers
                    )
                })
            let result = task.process(batch)
            failure = failure ?? result.failure
            log += result.log
            for sink in result.records { output += rows(sink, task.plan.root.schema.window?.kind) }
            at = end
        }
        return (output, failure, log)
    }

    private static func windowBytes(_ window: [Int64]?) -> [UInt8] {
        (window ?? []).flatMap { number in withUnsafeBytes(of: number.bigEndian) { [UInt8]($0) } }
    }

    private static func rows(_ sink: SinkBatch, _ kind: WindowInfo.Kind?) -> [TestRecord] {
        (0..<sink.count).map { row in
            var key = sink.keys.array(row)
            var window: [Int64]?
            if let kind, let bytes = key {
                let suffix = kind == .session ? 16 : 8
                let tail = bytes.suffix(suffix)
                var numbers: [Int64] = []
                for start in stride(from: tail.startIndex, to: tail.endIndex, by: 8) {
                    numbers.append(tail[start..<(start + 8)].reduce(0) { $0 << 8 | Int64($1) })
                }
                window = numbers
                key = Array(bytes.dropLast(suffix))
            }
            return TestRecord(
                topic: sink.topic, key: key.map { TestFormats.values($0) },
                value: sink.values.array(row).map { TestFormats.values($0) }, timestamp: sink.timestamps[row],
                window: window, headers: sink.headers.isEmpty ? [] : sink.headers[row])
        }
    }
}
