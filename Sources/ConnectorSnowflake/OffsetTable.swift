import ConnectCore
import JSONFormat

/// What the offsets of a partition's rows in a table stand under.
struct Channel: Sendable, Hashable {
    var table: TableIdentifier
    var place: SinkPartition
}

/// The table with the offsets of what is in a connector's tables: Snowpipe Streaming's offset tokens, as rows.
///
/// | column          | what                                            |
/// |-----------------|-------------------------------------------------|
/// | TABLE_NAME      | DATABASE.SCHEMA.TABLE                           |
/// | TOPIC           | the topic that was read, before transforms      |
/// | KAFKA_PARTITION | its partition                                   |
/// | OFFSET_TOKEN    | what is at it or before it is in the table      |
struct OffsetTable: Sendable {
    let name: TableIdentifier
    let client: SnowflakeClient
    /// How many partitions are read at once, so that the rows come with the answer itself.
    private static let readCountMax = 100

    init(_ settings: SnowflakeSettings, connector: String, _ client: SnowflakeClient) {
        name = TableIdentifier(
            database: settings.names.database, schema: settings.names.schema,
            table: Identifier("SNOWFLAKE_KAFKA_CONNECTOR_\(Self.valid(connector))_OFFSETS"))
        self.client = client
    }

    /// A connector's name as that of a topic. Tables' names are in upper case and connectors' are not: `Orders` and `orders` must
    /// not take each other's offsets for their own.
    private static func valid(_ connector: String) -> String {
        let isKept = !Identifier.isPlain(connector) || connector == connector.uppercased()
        return isKept ? TableNames.valid(connector) : connector + "_" + TableNames.javaHash(connector)
    }

    func create() async throws(SnowflakeFailure) {
        _ = try await client.execute(
            Statements.createOffsets(name), what: "creating the table of offsets \(name)")
    }

    /// The offsets of channels of one table; those that are not there begin with what `initial` says.
    func load(
        _ table: TableIdentifier, _ places: [SinkPartition], initial: (SinkPartition) -> Int64
    ) async throws(SnowflakeFailure) -> [SinkPartition: Int64] {
        var known = try await read(table, places)
        let missing = places.filter { known[$0] == nil }
        if !missing.isEmpty {
            let rows = missing.map { place in
                JSONValue.array([
                    .string(table.description), .string(place.topic), .number(Int64(place.partition)),
                    .number(initial(place)),
                ])
            }
            _ = try await client.execute(
                Statements.addOffsets(name), [Self.text(rows)], what: "adding offsets of \(table) to \(name)")
            known = try await read(table, missing).merging(known) { first, _ in first }
        }
        var found: [SinkPartition: Int64] = [:]
        for place in places {
            guard let offset = known[place] else {
                throw SnowflakeFailure(
                    .transient, "\(name) has no row for partition \(place.partition) of '\(place.topic)' in \(table)")
            }
            found[place] = offset
        }
        return found
    }

    /// The highest offsets of partitions in all tables: what is behind them is in none.
    func highest(_ places: [SinkPartition]) async throws(SnowflakeFailure) -> [SinkPartition: Int64] {
        try await read(places, Statements.readHighestOffsets(name), what: "reading the offsets in \(name)") {
            [.string($0.topic), .number(Int64($0.partition))]
        }
    }

    private func read(
        _ table: TableIdentifier, _ places: [SinkPartition]
    ) async throws(SnowflakeFailure) -> [SinkPartition: Int64] {
        try await read(places, Statements.readOffsets(name), what: "reading the offsets of \(table) in \(name)") {
            [.string(table.description), .string($0.topic), .number(Int64($0.partition))]
        }
    }

    /// - Parameter key: what is bound for a partition.
    private func read(
        _ places: [SinkPartition], _ sql: String, what: String, key: (SinkPartition) -> [JSONValue]
    ) async throws(SnowflakeFailure) -> [SinkPartition: Int64] {
        var offsets: [SinkPartition: Int64] = [:]
        var rest = places[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.readCountMax)
            rest = rest.dropFirst(part.count)
            let bound = Self.text(part.map { .array(key($0)) })
            try add(try await client.execute(sql, [bound], what: what).rows, to: &offsets)
        }
        return offsets
    }

    private func add(
        _ rows: [[String?]], to offsets: inout [SinkPartition: Int64]
    ) throws(SnowflakeFailure) {
        for row in rows {
            guard row.count >= 3, let topic = row[0], let partition = row[1].flatMap({ Int32($0) }),
                let offset = row[2].flatMap({ Int64($0) }), -1..<Int64.max ~= offset
            else { throw SnowflakeFailure(.permanent, "\(name) has a row that is no offset of a partition") }
            let place = SinkPartition(topic: topic, partition: partition)
            guard offsets.updateValue(offset, forKey: place) == nil else {
                throw SnowflakeFailure(
                    .permanent,
                    "\(name) has more than one row of a table for partition \(partition) of '\(topic)': delete all but "
                        + "the one with the highest OFFSET_TOKEN, then restart the task")
            }
        }
    }

    /// Moves offsets, within a transaction.
    ///
    /// - Throws: `.fenced` when one of them is not what was expected.
    func move(
        _ table: TableIdentifier, _ moves: [SinkPartition: (expected: Int64, new: Int64)]
    ) async throws(SnowflakeFailure) {
        let rows = moves.map { place, offsets in
            JSONValue.array([
                .string(table.description), .string(place.topic), .number(Int64(place.partition)),
                .number(offsets.expected), .number(offsets.new),
            ])
        }
        let what = "moving the offsets of \(table) in \(name)"
        let answer = try await client.execute(Statements.moveOffsets(name), [Self.text(rows)], what: what)
        guard answer.count == moves.count else {
            throw SnowflakeFailure(
                .fenced, "\(what): \(answer.count ?? 0) of \(moves.count) are as they were; another task writes them")
        }
    }

    /// Forgets the offsets of a table that is new.
    func drop(_ table: TableIdentifier) async throws(SnowflakeFailure) {
        _ = try await client.execute(
            Statements.dropOffsets(name), [table.description],
            what: "dropping the offsets of \(table) from \(name)")
    }

    private static func text(_ rows: [JSONValue]) -> String {
        String(decoding: JSONValue.array(rows).bytes, as: UTF8.self)
    }
}
