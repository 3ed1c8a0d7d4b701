import Bytes
import Compression
import Coordinators
import Foundation
import KafkaMessages
import NIOCore
import RecordBatches
import SQLSyntax
import TestKit

// Measures the loops that every record goes through: checksum, checks at Produce, walking and building batches, codecs,
// decoding a request.
//
//     Microbench [--smoke] [NAME...]
//
// NAMEs pick benchmarks by a part of their name. --smoke does each once, to see that all work. One line each: name,
// figure, unit, checksum of what was computed. The figure is the best of five runs, as neighbours only make it worse.

let isSmoke = CommandLine.arguments.contains("--smoke")
let wanted = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }

/// How a duration becomes a figure.
enum Unit {
    case gigabytesPerSecond(byteCount: Int)
    case megabytesPerSecond(byteCount: Int)
    case nanoseconds(per: String, count: Int)

    func figure(_ seconds: Double) -> String {
        switch self {
        case .gigabytesPerSecond(let byteCount): Self.format(Double(byteCount) / seconds / 1e9) + " GB/s"
        case .megabytesPerSecond(let byteCount): Self.format(Double(byteCount) / seconds / 1e6) + " MB/s"
        case .nanoseconds(let per, let count): Self.format(seconds / Double(count) * 1e9) + " ns per \(per)"
        }
    }

    static func format(_ value: Double) -> String { String(format: value < 100 ? "%.2f" : "%.0f", value) }
}

/// Runs `body` over and over and prints what one run takes. `body` returns a number that depends on all of its work.
func measure(_ name: String, _ unit: Unit, _ body: () throws -> UInt64) rethrows {
    guard wanted.isEmpty || wanted.contains(where: { name.contains($0) }) else { return }
    let clock = ContinuousClock()
    var checksum: UInt64 = 0
    var best = Double.infinity
    var count = 1
    if !isSmoke {
        var elapsed = Duration.zero
        while elapsed < .milliseconds(50) {
            count *= 2
            elapsed = try clock.measure { for _ in 0..<count { checksum = try body() } }
        }
    }
    for _ in 0..<(isSmoke ? 1 : 5) {
        let elapsed = try clock.measure { for _ in 0..<count { checksum = try body() } }
        best = min(best, elapsed / .seconds(1) / Double(count))
    }
    let hex = String(checksum, radix: 16)
    print("\(name.padding(toLength: 40, withPad: " ", startingAt: 0)) \(unit.figure(best))  [\(hex)]")
}

/// Text like that of an event stream: JSON with a few words that repeat.
func ratings(byteCount: Int, random: inout SeededRandom) -> [UInt8] {
    let messages = ["worst. flight. ever.", "on time, friendly crew", "the coffee was cold", "would fly again"]
    var text: [UInt8] = []
    var id = 0
    while text.count < byteCount {
        id += 1
        let stars = random.next() % 5 + 1
        let user = random.next() % 1000
        let message = messages[Int(random.next() % 4)]
        text += Array(
            #"{"rating_id":\#(id),"user_id":\#(user),"stars":\#(stars),"channel":"web","message":"\#(message)"}"#.utf8)
    }
    return Array(text.prefix(byteCount))
}

/// A batch of records with values of `valueByteCount` bytes, 16 KiB in all, as Java's producer sends them.
func batch(valueByteCount: Int, codec: Codec) throws -> [UInt8] {
    var random = SeededRandom(seed: UInt64(valueByteCount))
    var builder = BatchBuilder(codec: codec)
    for index in 0..<(16384 / valueByteCount) {
        let value = ratings(byteCount: valueByteCount, random: &random)
        try builder.append(timestamp: 1_700_000_000_000 + Int64(index), key: nil, value: value)
    }
    return try builder.build()
}

func run() throws {
    var random = SeededRandom(seed: 1)

    for byteCount in [1 << 10, 16 << 10, 1 << 20] {
        let content = ratings(byteCount: byteCount, random: &random)
        measure("crc32c \(byteCount >> 10) KiB", .gigabytesPerSecond(byteCount: byteCount)) {
            UInt64(crc32c(content.span.bytes))
        }
    }

    let rules = ProduceRules()
    let now: Int64 = 1_700_000_000_100
    for (valueByteCount, codec) in [(100, Codec.none), (1024, .none), (1024, .lz4)] {
        let batch = try batch(valueByteCount: valueByteCount, codec: codec)
        let count = 16384 / valueByteCount
        let name = "\(count) x \(valueByteCount) B \(codec.name)"
        try measure("admit batch, \(name)", .nanoseconds(per: "batch", count: 1)) {
            UInt64(truncatingIfNeeded: try rules.admit(batch.span.bytes, version: 9, now: now).header.maxTimestamp)
        }
        let header = try BatchHeader(batch.span.bytes)
        try measure("walk records, \(name)", .nanoseconds(per: "record", count: count)) {
            var sum: UInt64 = 0
            try BatchRecords.forEach(in: batch.span.bytes, header: header, limit: 1 << 20) { _, record in
                sum &+= UInt64(record.value?.count ?? 0)
                return .next
            }
            return sum
        }
    }

    let value = ratings(byteCount: 100, random: &random)
    var builder = BatchBuilder()
    try measure("build batch, 160 x 100 B", .nanoseconds(per: "record", count: 160)) {
        for index in 0..<160 as Range<Int64> {
            try builder.append(timestamp: 1_700_000_000_000 + index, key: nil, value: value)
        }
        return UInt64(try builder.build().count)
    }

    let content = ratings(byteCount: 256 << 10, random: &random)
    for codec in Codec.allCases where codec != .none {
        let payload = try codec.compress(content.span.bytes)
        try measure("\(codec.name) compress 256 KiB", .megabytesPerSecond(byteCount: content.count)) {
            UInt64(try codec.compress(content.span.bytes).count)
        }
        try measure("\(codec.name) decompress 256 KiB", .megabytesPerSecond(byteCount: content.count)) {
            UInt64(try codec.decompress(payload.span.bytes, limit: content.count).count)
        }
    }

    try measureRequests()
    measureGroups()
    try measureSQL()
}

/// A script as migrations and generators write them: parsed as a whole, and printed again.
func measureSQL() throws {
    let part = """
        -- readings of the sensors
        CREATE STREAM readings_1 (id STRING KEY, sensor INT, temperature DOUBLE, tags ARRAY<STRUCT<name STRING, value STRING>>)
          WITH (kafka_topic='readings', value_format='JSON', partitions=6);
        CREATE TABLE hourly_1 WITH (kafka_topic='hourly') AS
          SELECT sensor, COUNT(*) AS n, AVG(temperature) AS average, MAX(CASE WHEN temperature > 1.5e2 THEN 1 ELSE 0 END) AS hot
          FROM readings_1 r LEFT JOIN sensors s ON r.sensor = s.id
          WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 10 MINUTES)
          WHERE r.temperature IS NOT NULL AND s.room IN ('a', 'b', 'it''s') AND NOT s.name LIKE '%test%'
          GROUP BY sensor HAVING COUNT(*) > 10 EMIT CHANGES;
        INSERT INTO readings_1 (id, sensor, temperature, tags) VALUES ('x-1', 17, 21.53, ARRAY[STRUCT(name := 'a', value := 'b')]);

        """
    let script = String(repeating: part, count: (10 << 20) / part.utf8.count)
    try measure("parse SQL, a script of 10 MiB", .megabytesPerSecond(byteCount: script.utf8.count)) {
        UInt64(try SQLParser.script(script).count)
    }
    let statements = try SQLParser.script(String(repeating: part, count: 100))
    measure("print SQL", .nanoseconds(per: "statement", count: statements.count)) {
        statements.reduce(0 as UInt64) { $0 &+ UInt64($1.statement.description.utf8.count) }
    }
}

/// Topics that there are none of.
struct NoTopics: TopicImage {
    func facts(named name: String) -> TopicFacts? { nil }
    func facts(id: KafkaUUID) -> TopicFacts? { nil }
    var names: [String] { [] }
}

/// Heartbeats of 200 groups with 5 members each, every three seconds of their time, and the timers that go with them.
func measureGroups() {
    var configuration = GroupConfiguration()
    configuration.initialRebalanceDelayMs = 1
    var shard = GroupShard(configuration: configuration, seed: 1)
    var time = EventTime(wall: 1_700_000_000_000, monotonic: 0)
    let token = ReplyToken(rawValue: 1)
    var requests: [HeartbeatRequest] = []
    for group in 0..<200 {
        for member in 0..<5 {
            let request = JoinGroupRequest(
                groupId: "group-\(group)", sessionTimeoutMs: 45_000, rebalanceTimeoutMs: 60_000,
                groupInstanceId: "member-\(member)", protocolType: "consumer", protocols: [.init(name: "range")])
            let client = ClientIdentity(clientId: "client", host: "/127.0.0.1")
            _ = shard.joinGroup(request, version: 9, client: client, token: token, at: time, topics: NoTopics())
            shard.commit()
        }
    }
    while let next = shard.nextDeadline, next <= 10 {
        time.monotonic = next
        for case let joined as JoinGroupResponse in shard.tick(at: time, topics: NoTopics()).replies.map(\.message) {
            for member in joined.members {
                requests.append(
                    HeartbeatRequest(
                        groupId: "", generationId: joined.generationId, memberId: member.memberId,
                        groupInstanceId: member.groupInstanceId))
            }
        }
        shard.commit()
    }
    // Groups end their rounds in the order of their ids.
    for (index, group) in (0..<200).map({ "group-\($0)" }).sorted().enumerated() {
        for member in 0..<5 where index * 5 + member < requests.count { requests[index * 5 + member].groupId = group }
    }
    for request in requests {
        let sync = SyncGroupRequest(
            groupId: request.groupId, generationId: request.generationId, memberId: request.memberId,
            groupInstanceId: request.groupInstanceId)
        _ = shard.syncGroup(sync, version: 5, token: token, at: time, topics: NoTopics())
        shard.commit()
    }
    measure("heartbeat, 200 groups of 5", .nanoseconds(per: "heartbeat", count: requests.count)) {
        var alive: UInt64 = 0
        time.monotonic += 3_000
        for request in requests {
            let decision = shard.heartbeat(request, version: 4, token: token, at: time, topics: NoTopics())
            if let response = decision.replies.first?.message as? HeartbeatResponse, response.errorCode == 0 {
                alive += 1
            }
            if let next = shard.nextDeadline, next <= time.monotonic { _ = shard.tick(at: time, topics: NoTopics()) }
        }
        return alive
    }
}

func measureRequests() throws {
    let records = ByteBuffer(bytes: try batch(valueByteCount: 1024, codec: .none))
    let partitions = (0..<16 as Range<Int32>).map {
        ProduceRequest.PartitionProduceData(index: $0, records: .bytes(records))
    }
    let produce = ProduceRequest(
        acks: 1, timeoutMs: 30_000, topicData: [.init(name: "ratings", partitionData: partitions)])
    for version in [7, 12] as [Int16] {
        var writer = WireWriter()
        try produce.encode(to: &writer, version: version)
        let frame = writer.buffer
        try measure("decode Produce v\(version), 16 partitions", .nanoseconds(per: "request", count: 1)) {
            var reader = WireReader(frame)
            let request = try ProduceRequest(from: &reader, version: version)
            return UInt64(request.topicData[0].partitionData.count)
        }
    }
    let fetch = FetchRequest(
        maxWaitMs: 500, minBytes: 1,
        topics: [.init(topic: "ratings", partitions: (0..<16).map { .init(partition: $0, partitionMaxBytes: 1 << 20) })]
    )
    var writer = WireWriter()
    try fetch.encode(to: &writer, version: 12)
    let frame = writer.buffer
    try measure("decode Fetch v12, 16 partitions", .nanoseconds(per: "request", count: 1)) {
        var reader = WireReader(frame)
        let request = try FetchRequest(from: &reader, version: 12)
        return UInt64(request.topics[0].partitions.count)
    }
}

do {
    try run()
} catch {
    FileHandle.standardError.write(Data("Microbench: \(error)\n".utf8))
    exit(1)
}
