package import Columns
import SQLPlan
import SQLTypes

/// Consecutive records of one partition of a topic.
package struct SourceBatch: Sendable {
    package var topic: String
    package var partition: Int32
    /// A row without a value is a null key.
    package var keys: BytesColumn
    /// A row without a value is a tombstone.
    package var values: BytesColumn
    /// Milliseconds.
    package var timestamps: ColumnBuffer<Int64>
    package var offsets: ColumnBuffer<Int64>
    /// Headers of each record; empty when no record has any.
    package var headers: [[Header]]

    package struct Header: Sendable, Hashable {
        package var key: String
        package var value: [UInt8]?

        package init(key: String, value: [UInt8]?) {
            self.key = key
            self.value = value
        }
    }

    package var count: Int { values.count }

    package init(
        topic: String, partition: Int32 = 0, keys: BytesColumn, values: BytesColumn, timestamps: ColumnBuffer<Int64>,
        offsets: ColumnBuffer<Int64>, headers: [[Header]] = []
    ) {
        self.topic = topic
        self.partition = partition
        self.keys = keys
        self.values = values
        self.timestamps = timestamps
        self.offsets = offsets
        self.headers = headers
    }

    /// Records given one by one, for drivers and tests.
    package init(
        topic: String, partition: Int32 = 0,
        records: [(key: [UInt8]?, value: [UInt8]?, timestamp: Int64, offset: Int64, headers: [Header])]
    ) {
        func column(_ values: [[UInt8]?]) -> BytesColumn {
            let builder = ColumnBuilder(.bytes)
            for value in values {
                let done = value.map { value in value.withUnsafeBytes { builder.append(bytes: $0) } } ?? false
                if !done { builder.appendNull() }
            }
            guard case .bytes(let column) = builder.finish() else {
                return BytesColumn(runs: Runs(ends: ColumnBuffer([0])), bytes: ColumnBuffer([]))
            }
            return column
        }
        self.init(
            topic: topic, partition: partition, keys: column(records.map(\.key)), values: column(records.map(\.value)),
            timestamps: ColumnBuffer(records.map(\.timestamp)), offsets: ColumnBuffer(records.map(\.offset)),
            headers: records.contains { !$0.headers.isEmpty } ? records.map(\.headers) : [])
    }

    /// Records one after the other.
    package func slice(_ range: Range<Int>) -> SourceBatch {
        range == 0..<count ? self : gathered(range.map { Int32(truncatingIfNeeded: $0) })
    }

    /// One of the records.
    func single(_ row: Int) -> SourceBatch { gathered([Int32(truncatingIfNeeded: row)]) }

    /// The records of `rows`, in that order.
    package func gathered(_ rows: [Int32]) -> SourceBatch {
        SourceBatch(
            topic: topic, partition: partition, keys: keys.gathered(rows), values: values.gathered(rows),
            timestamps: timestamps.gathered(rows), offsets: offsets.gathered(rows),
            headers: headers.isEmpty ? [] : rows.map { headers[Int($0)] })
    }
}

/// Records for the topic of a sink, in the order in which they are to be written.
package struct SinkBatch: Sendable {
    package var topic: String
    /// A row without a value is a null key.
    package var keys: BytesColumn
    /// A row without a value is a tombstone.
    package var values: BytesColumn
    package var timestamps: ColumnBuffer<Int64>
    /// Bytes at the end of each key that are its window: they have no part in the choice of the partition.
    package var windowByteCount = 0
    /// Headers of each record, those of the record that it came of; empty when no record has any.
    package var headers: [[SourceBatch.Header]] = []

    package var count: Int { values.count }
}

/// Something that went wrong with a record or a column and did not stop the query; section 23 of the reference.
package struct ProcessingLogEntry: Sendable, Hashable {
    package enum Kind: Int, Sendable {
        case deserialization = 0
        case recordProcessing = 1
        case production = 2
        case serialization = 3
    }

    package var kind: Kind
    /// The step, as in logger names.
    package var step: String
    package var message: String
    package var topic: String?
    package var partition: Int32?
    package var offset: Int64?
    /// The bytes that could not be read.
    package var record: [UInt8]?
    package var timestamp: Int64?

    package init(
        kind: Kind, step: String, message: String, topic: String? = nil, partition: Int32? = nil, offset: Int64? = nil,
        record: [UInt8]? = nil, timestamp: Int64? = nil
    ) {
        self.kind = kind
        self.step = step
        self.message = message
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.record = record
        self.timestamp = timestamp
    }
}

/// What an operator has seen; `test --explain` and EXPLAIN ANALYZE print it.
package struct OperatorCounters: Sendable, Hashable {
    /// Rows that came.
    package var input = 0
    /// Rows that went on.
    package var output = 0
    /// Rows that a condition dropped, or that have no key or value where one is needed.
    package var filtered = 0
    /// Rows behind the end of their window and its grace period.
    package var late = 0
    /// Rows that could not be read, or columns that failed.
    package var failed = 0
    /// Rows of a join that met nobody.
    package var unmatched = 0
    package var stateRows = 0
    package var stateBytes = 0

    package init() {}
}

/// What the operators of a task share.
package final class TaskContext {
    /// Entries that are kept between two drains; the counters tell of the others.
    package static let logMax = 10_000

    package let functions: any FunctionLibrary
    package let formats: any FormatLibrary
    package let settings: EngineSettings
    /// Sink records since the last drain.
    var output: [SinkBatch] = []
    /// Rows for the client of a push query since the last drain.
    var rows: [Batch] = []
    private(set) var log: [ProcessingLogEntry] = []
    /// Why the query cannot go on; the first reason counts.
    private(set) var failure: EngineError?
    /// Where the records come from that are on their way, for log entries.
    var sourceTopic: String?
    /// Headers of the records of the batch that is processed; empty when there are none.
    var headers: [[SourceBatch.Header]] = []
    /// Whether rows are on their way that are in no state and no output yet (`Operator.emitInOrder`): what is noted of them is
    /// held until it can be put in the order of the rows. Whoever keeps rows takes it back.
    private(set) var mayPart = false
    /// Rows that failed have come to somebody who keeps rows: all come once more, in parts.
    private(set) var mustPart = false
    private var held: [(place: Int32, entry: ProcessingLogEntry)] = []
    /// Whether what was noted up to somebody who keeps rows says which ones come alone.
    private var knowsPlaces = true
    /// Whether it says so only of those that had come as far as what cut them in two.
    private var isCut = false

    package init(functions: any FunctionLibrary, formats: any FormatLibrary, settings: EngineSettings) {
        self.functions = functions
        self.formats = formats
        self.settings = settings
    }

    func note(_ entry: ProcessingLogEntry) {
        if log.count < Self.logMax { log.append(entry) }
    }

    /// - Parameter place: of the row on its way; nil where it has none.
    func note(_ entry: ProcessingLogEntry, at place: Int32?) {
        guard mayPart else { return note(entry) }
        if let place { held.append((place, entry)) } else { partBlindly() }
    }

    private func partBlindly() {
        mustPart = true
        knowsPlaces = false
    }

    func sendOff() { mayPart = true }

    /// - Returns: nil unless the rows that were sent off have to come once more, in parts. `alone`: the places of those that
    ///   come alone, ascending; `isRestKnown`: whether those behind the last of them may come together, as far as is known.
    func placesToPart() -> (alone: [Int], isRestKnown: Bool)? {
        mayPart = false
        guard mustPart else {
            release()
            return nil
        }
        mustPart = false
        defer {
            held = []
            knowsPlaces = true
            isCut = false
        }
        return knowsPlaces ? (Set(held.map(\.place)).sorted().map(Int.init), !isCut && !held.isEmpty) : ([], false)
    }

    /// For whoever keeps rows, before its first change.
    ///
    /// - Returns: false when the rows come once more: what is noted behind it would not be in order with what was noted before.
    func mayKeep() -> Bool {
        if !held.isEmpty { mustPart = true }
        guard !mustPart else { return false }
        mayPart = false
        return true
    }

    /// As `mayKeep`, for whoever has to put out what it made of some of the rows before it has looked at the others: what is
    /// noted tells nothing of these.
    func mayCut() -> Bool {
        if mayKeep() { return true }
        isCut = true
        return false
    }

    /// For the end of a query, behind which nothing is noted.
    ///
    /// - Returns: false when the rows come once more.
    func mayPutOut() -> Bool {
        guard !mustPart else { return false }
        mayPart = false
        release()
        return true
    }

    /// Rows that cannot be put out as they are come once more, in parts.
    ///
    /// - Returns: false when they are none that can.
    func part() -> Bool {
        guard mayPart else { return false }
        partBlindly()
        return true
    }

    private func release() {
        guard !held.isEmpty else { return }
        // Of one row in the order in which it was noted.
        for (_, item) in held.enumerated().sorted(by: { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) })
        {
            note(item.entry)
        }
        held = []
    }

    func drainLog() -> [ProcessingLogEntry] {
        defer { log = [] }
        return log
    }

    func fail(_ error: EngineError) {
        if failure == nil { failure = error }
    }
}

/// What of a session's properties matters to the engine.
package struct EngineSettings: Sendable, Hashable {
    /// `ksql.timestamp.throw.on.invalid`
    package var failsOnInvalidTimestamp = false
    /// `ksql.fail.on.deserialization.error`
    package var failsOnDeserializationError = false
    /// `ksql.suppress.buffer.size.bytes`: what EMIT FINAL of a task may hold back; nil: any number.
    package var suppressedByteCountMax: Int?
    /// Whether state notes what changed, for changelogs and snapshots.
    package var capturesChanges = false
    /// `state.store`
    package var stateStore = StateStoreKind.auto
    /// `state.memory.max.bytes`: what the state of a task may take of the process's memory.
    package var stateByteCountMax = 1 << 30
    /// `state.dir`: where state on disk lies; files without a name, gone with the process.
    package var stateFolder = "/var/tmp"
    /// Blocks of state that are smaller stay in memory.
    package var stateFileByteCountMin = 1 << 20
    /// Records of groups from this size on are held as values between the rows of a batch (`HeldStates`).
    package var heldStateByteCountMin = 512

    package init() {}

    /// What stays in memory as it is small must not take all that there may be.
    var diskPlace: StatePlace {
        .disk(
            folder: stateFolder, fileByteCountMin: min(stateFileByteCountMin, max(4096, stateByteCountMax / 128)))
    }

    /// From properties such as "ksql.timestamp.throw.on.invalid".
    package init(properties: [String: String]) {
        func flag(_ name: String) -> Bool { properties[name].map { NumberText.boolean($0) } ?? false }
        failsOnInvalidTimestamp = flag("ksql.timestamp.throw.on.invalid")
        failsOnDeserializationError = flag("ksql.fail.on.deserialization.error")
        if let bytes = properties["ksql.suppress.buffer.size.bytes"].flatMap({ Int($0) }), bytes >= 0 {
            suppressedByteCountMax = bytes
        }
        if let kind = properties["state.store"].flatMap({ StateStoreKind(rawValue: $0.lowercased()) }) {
            stateStore = kind
        }
        if let bytes = properties["state.memory.max.bytes"].flatMap({ Int($0) }), bytes > 0 {
            stateByteCountMax = bytes
        }
        if let folder = properties["state.dir"], !folder.isEmpty { stateFolder = folder }
    }
}

/// Where state lies.
package enum StateStoreKind: String, Sendable, Hashable {
    /// In memory as long as it fits, and then on disk.
    case auto
    /// In memory; a query that needs more than it may ends.
    case memory
    /// On disk from the start; small stores stay in memory.
    case disk
}
