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
/// | OFFSET_TOKEN    | offset of the last record in the table; -1 none |
struct OffsetTable: Sendable {
    let name: TableIdentifier
    let client: SnowflakeClient

    init(_ settings: SnowflakeSettings, connector: String, _ client: SnowflakeClient) {
        name = TableIdentifier(
            database: settings.names.database, schema: settings.names.schema,
            table: Identifier("SNOWFLAKE_KAFKA_CONNECTOR_\(TableNames.valid(connector))_OFFSETS"))
        self.client = client
    }

    func create() async throws(SnowflakeFailure) {
        _ = try await client.execute(
            Statements.createOffsets(name), what: "creating the table of offsets \(name)")
    }

    /// The offsets of channels of one table; those that are not there begin with what `initial` says.
    func load(
        _ table: TableIdentifier, _ places: [SinkPartition], initial: (SinkPartition) -> Int64
    ) async throws(SnowflakeFailure) -> [SinkPartition: Int64] {
        var known = try await read(table)
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
            known = try await read(table)
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

    private func read(_ table: TableIdentifier) async throws(SnowflakeFailure) -> [SinkPartition: Int64] {
        let answer = try await client.execute(
            Statements.readOffsets(name), [table.description], what: "reading the offsets of \(table) in \(name)")
        var offsets: [SinkPartition: Int64] = [:]
        for row in answer.rows {
            guard row.count >= 3, let topic = row[0], let partition = row[1].flatMap({ Int32($0) }),
                let offset = row[2].flatMap({ Int64($0) })
            else { throw SnowflakeFailure(.permanent, "\(name) has a row that is no offset of a partition") }
            let place = SinkPartition(topic: topic, partition: partition)
            guard offsets.updateValue(offset, forKey: place) == nil else {
                throw SnowflakeFailure(
                    .permanent,
                    "\(name) has more than one row for partition \(partition) of '\(topic)' in \(table): delete all but "
                        + "the one with the highest OFFSET_TOKEN, then restart the task")
            }
        }
        return offsets
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
