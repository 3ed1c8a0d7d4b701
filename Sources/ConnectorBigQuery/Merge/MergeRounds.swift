import ConnectCore

/// Which rows of an intermediate table are merged when, and up to where offsets may be committed.
///
/// Rows go into the open round. It is closed when it is time, and merged a while later, when its rows can be read. In a
/// round the rows of each partition of a topic are a batch: those of a partition that is somebody else's meanwhile are
/// left out, as newer ones may be in the destination before them.
struct MergeRounds: Sendable {
    /// Of a row.
    struct Place: Sendable, Hashable {
        /// From 1 on in its round.
        var iteration: Int64
        var batch: Int64
    }

    struct Round: Sendable {
        var batches: [SinkPartition: Batch] = [:]
        var rowCount: Int64 = 0
        /// Milliseconds since 1970; its rows can be read then.
        var readyAt: Int64 = 0
        /// The query that merges it.
        var job: BigQueryClient.Job?
        /// By which BigQuery tells that query when its request comes twice.
        var requestID = Self.newRequestID
        /// Partitions that are somebody else's since that query runs.
        var gone: Set<SinkPartition> = []
        /// How often a query of it has failed in a way that may pass.
        var failureCount = 0

        /// Up to 36 characters.
        fileprivate static var newRequestID: String {
            (0..<2).map { _ in String(UInt64.random(in: 0...UInt64.max), radix: 16) }.joined(separator: "-")
        }

        /// In their order, which is that of their rounds, too.
        var numbers: [Int64] { batches.values.map(\.number).sorted() }
    }

    struct Batch: Sendable {
        var number: Int64
        var firstOffset: Int64
    }

    private var open = Round()
    private(set) var closed: [Round] = []
    private var nextNumber: Int64 = 0
    /// Records that come again until all of their batch are written have the place they had: those behind them may be
    /// written already.
    private var places: [RecordPlace: Place] = [:]

    /// Rows of the open round.
    var rowCount: Int64 { open.rowCount }

    mutating func place(_ record: RecordPlace) -> Place {
        if let place = places[record] { return place }
        let partition = record.topicPartition
        let batch: Batch
        if let known = open.batches[partition] {
            batch = known
        } else {
            batch = Batch(number: nextNumber, firstOffset: record.offset)
            nextNumber += 1
            open.batches[partition] = batch
        }
        open.rowCount += 1
        let place = Place(iteration: open.rowCount, batch: batch.number)
        places[record] = place
        return place
    }

    /// All records that were put are written, none of them comes again.
    mutating func settle() { places = [:] }

    /// Ends the open round if anything is in it.
    mutating func close(readyAt: Int64) {
        guard open.rowCount > 0 else { return }
        open.readyAt = readyAt
        closed.append(open)
        open = Round()
    }

    /// The first round that is to be merged, if it is time; rounds without batches have been passed over.
    mutating func due(_ now: Int64) -> Round? {
        while let first = closed.first, first.batches.isEmpty { closed.removeFirst() }
        return closed.first.flatMap { $0.readyAt <= now ? $0 : nil }
    }

    mutating func run(_ job: BigQueryClient.Job) {
        if !closed.isEmpty { closed[0].job = job }
    }

    /// The query of the first round has failed; another one may do it.
    mutating func fail() {
        guard !closed.isEmpty else { return }
        closed[0].job = nil
        for partition in closed[0].gone { closed[0].batches[partition] = nil }
        closed[0].gone = []
        closed[0].requestID = Round.newRequestID
        closed[0].failureCount += 1
    }

    /// The first round is in the destination.
    mutating func merged() {
        if !closed.isEmpty { closed.removeFirst() }
    }

    /// Partitions that are somebody else's: what is being merged stays, all else comes again there.
    mutating func drop(_ partitions: Set<SinkPartition>) {
        for partition in partitions {
            open.batches[partition] = nil
            for index in closed.indices where closed[index].job == nil { closed[index].batches[partition] = nil }
        }
        for index in closed.indices where closed[index].job != nil { closed[index].gone.formUnion(partitions) }
        places = places.filter { !partitions.contains($0.key.topicPartition) }
    }

    /// The first record of a partition that is not in the destination yet.
    func firstOffset(_ partition: SinkPartition) -> Int64? {
        (closed + [open]).compactMap { $0.batches[partition]?.firstOffset }.min()
    }
}
