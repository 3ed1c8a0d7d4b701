import Bytes
import Cluster
import JSONFormat

/// Which brokers partitions are to have their replicas on, first the one that is to lead.
struct ReassignmentPlan: Equatable {
    struct Row: Equatable {
        var place: TopicPartition
        var replicas: [Int32]
    }

    var rows: [Row]

    /// - Throws: `CommandFailure` when one of the partitions is being moved: where it is to be is not where it is.
    static func refuse(_ places: [TopicPartition], movedBy moves: [ReassignmentCalls.Move]) throws {
        let places = Set(places)
        guard let move = moves.first(where: { places.contains($0.place) }) else { return }
        throw CommandFailure(
            "partition \(move.place) is being moved already",
            hint: "'swiftwater topic reassign' shows it, --cancel ends it")
    }

    /// Spreads the replicas of topics over brokers, each as often as the others, as a new topic's are: the leaders go round,
    /// and the further replicas begin one broker later with every round, so that no two brokers have all partitions in
    /// common.
    ///
    /// - Parameters:
    ///   - brokers: ids, each once, not empty.
    ///   - replicaCount: copies of each partition; nil keeps as many as there are.
    /// - Throws: `CommandFailure` when there are fewer brokers than copies.
    static func spread(
        _ topics: [TopicDescription], over brokers: [Int32], replicaCount: Int?
    ) throws -> ReassignmentPlan {
        var rows: [Row] = []
        for (at, topic) in topics.enumerated() {
            for (index, partition) in topic.partitions.enumerated() {
                let count = replicaCount ?? partition.replicas.count
                guard count <= brokers.count else {
                    throw CommandFailure(
                        "topic '\(topic.name)' has \(count) replicas, which need as many brokers: "
                            + "there \(brokers.count == 1 ? "is" : "are") \(brokers.count) in --brokers",
                        hint: "name more brokers, or fewer copies with --replication-factor")
                }
                let first = (at + index) % brokers.count
                let others = brokers.count - 1
                let shift = index / brokers.count
                let replicas = (0..<count).map { number in
                    number == 0 ? brokers[first] : brokers[(first + 1 + (shift + number - 1) % others) % brokers.count]
                }
                rows.append(Row(place: TopicPartition(topic.name, partition.partition), replicas: replicas))
            }
        }
        return ReassignmentPlan(rows: rows)
    }

    /// Reads the JSON of Kafka's own tool: `{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2]}]}`.
    ///
    /// - Throws: `CommandFailure` for anything else, and for `log_dirs` other than `any`.
    static func parse(_ text: String, file: String) throws -> ReassignmentPlan {
        guard let json = JSONValue.parse(Array(text.utf8)), let entries = json["partitions"]?.elements else {
            throw CommandFailure(
                "\(file) is no plan",
                hint: #"it is JSON as {"partitions": [{"topic": "t", "partition": 0, "replicas": [1, 2]}]}"#)
        }
        var seen: Set<TopicPartition> = []
        let rows = try entries.enumerated().map { index, entry in
            guard let topic = entry["topic"]?.text, let partition = number(entry["partition"]),
                let replicas = entry["replicas"]?.elements?.map(number), !replicas.isEmpty
            else { throw CommandFailure("\(file): entry \(index + 1) lacks topic, partition or replicas") }
            let place = TopicPartition(topic, partition)
            let ids = replicas.compactMap(\.self)
            guard ids.count == replicas.count, Set(ids).count == ids.count else {
                throw CommandFailure("\(file): the replicas of \(place) are not ids of brokers, each once")
            }
            // `any` leaves the folder to the broker.
            if let folders = entry["log_dirs"], !(folders.elements?.allSatisfy { $0.text == "any" } ?? false) {
                throw CommandFailure(
                    "\(file): log_dirs of \(place) is other than \"any\", which is not supported",
                    hint: "brokers choose the folders of the replicas themselves: leave log_dirs out")
            }
            guard seen.insert(place).inserted else { throw CommandFailure("\(file): \(place) is there twice") }
            return Row(place: place, replicas: ids)
        }
        guard !rows.isEmpty else { throw CommandFailure("\(file) names no partitions") }
        return ReassignmentPlan(rows: rows)
    }

    private static func number(_ value: JSONValue?) -> Int32? {
        guard let value, value.text == nil else { return nil }
        return Int32(String(decoding: value.bytes, as: UTF8.self))
    }

    /// As Kafka's own tool writes and reads it.
    var json: JSONValue {
        .object([
            ("version", .number(1)),
            (
                "partitions",
                .array(
                    rows.map { row in
                        .object([
                            ("topic", .string(row.place.topic)), ("partition", .number(Int64(row.place.partition))),
                            ("replicas", .array(row.replicas.map { .number(Int64($0)) })),
                        ])
                    })
            ),
        ])
    }
}
