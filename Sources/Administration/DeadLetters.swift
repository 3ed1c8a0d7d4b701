package import Cluster
package import NIOCore
package import RecordBatches

/// Records that sinks of Kafka Connect could not take, in the topics that the connectors name for them.
package enum DeadLetters {
    /// The option of a connector that names the topic.
    package static let option = "errors.deadletterqueue.topic.name"
    /// What the headers begin with that say why a record is a dead letter.
    package static let prefix = "__connect.errors."

    /// The group whose offsets say which letters of a topic were sent again.
    package static func group(_ topic: String) -> String { "swiftwater-redrive-" + topic }

    /// All letters that are there now, by partition and offset.
    ///
    /// - Parameter starts: where to begin, for partitions that are not read from their beginning.
    package static func all(
        _ topic: String, from starts: [TopicPartition: Int64] = [:], in cluster: any Cluster
    ) async throws(ClusterError) -> [ConsumerRecord] {
        let partitions = try await cluster.topic(topic).partitions.map { TopicPartition(topic, $0.partition) }
        let ends = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: .readCommitted)
        let waiting = try await waiting(partitions, starts, in: cluster)
        var letters: [ConsumerRecord] = []
        for partition in partitions {
            letters += try await read(
                partition, from: .offset(waiting[partition] ?? 0), to: ends[partition] ?? 0, in: cluster)
        }
        return letters
    }

    /// Where the letters that wait begin: those that retention has taken away wait no more.
    private static func waiting(
        _ partitions: [TopicPartition], _ starts: [TopicPartition: Int64], in cluster: any Cluster
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        var found = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .beginning) }) { first, _ in first }, isolation: .readCommitted)
        for partition in partitions { found[partition] = max(found[partition] ?? 0, starts[partition] ?? 0) }
        return found
    }

    /// The newest letters, at most `count` offsets back in each partition, by partition and offset.
    package static func newest(
        _ count: Int64, of topic: String, in cluster: any Cluster
    ) async throws(ClusterError) -> [ConsumerRecord] {
        let partitions = try await cluster.topic(topic).partitions.map { TopicPartition(topic, $0.partition) }
        let ends = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: .readCommitted)
        var letters: [ConsumerRecord] = []
        for partition in partitions {
            letters += try await read(partition, from: .beforeEnd(count), to: ends[partition] ?? 0, in: cluster)
        }
        return letters
    }

    /// The oldest letters that were not sent again, which is the order that they go back in.
    ///
    /// - Parameter starts: up to where they were sent again.
    /// - Returns: at most `count` letters, those of each partition without a gap, and how many wait in all.
    package static func oldestWaiting(
        _ count: Int, of topic: String, from starts: [TopicPartition: Int64], in cluster: any Cluster
    ) async throws(ClusterError) -> (letters: [ConsumerRecord], waitingCount: Int64) {
        let partitions = try await cluster.topic(topic).partitions.map { TopicPartition(topic, $0.partition) }
        let ends = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: .readCommitted)
        let waiting = try await waiting(partitions, starts, in: cluster)
        var waitingCount: Int64 = 0
        // With the latest time up to it in its partition, so that an order by it keeps that of the partition.
        var letters: [(time: Int64, letter: ConsumerRecord)] = []
        for partition in partitions {
            let (start, end) = (waiting[partition] ?? 0, ends[partition] ?? 0)
            waitingCount += max(0, end - start)
            var time = Int64.min
            for letter in try await read(partition, from: .offset(start), to: end, countMax: count, in: cluster) {
                time = max(time, letter.timestamp)
                letters.append((time, letter))
            }
        }
        letters.sort {
            ($0.time, $0.letter.partition, $0.letter.offset) < ($1.time, $1.letter.partition, $1.letter.offset)
        }
        return (letters.prefix(count).map(\.letter), waitingCount)
    }

    private static func read(
        _ partition: TopicPartition, from start: LogPosition, to end: Int64, countMax: Int = .max,
        in cluster: any Cluster
    ) async throws(ClusterError) -> [ConsumerRecord] {
        let reader = try await cluster.reader(partition, from: start, isolation: .readCommitted)
        defer { reader.close() }
        var letters: [ConsumerRecord] = []
        while reader.position < end, letters.count < countMax {
            letters += try await reader.next(maxBytes: 1 << 20, timeout: .seconds(5)).records().filter {
                $0.offset < end
            }
        }
        return Array(letters.prefix(countMax))
    }

    /// How far the letters go without a gap that are among `chosen`, from `starts` on: what may be remembered as sent again
    /// when just these are.
    package static func run(
        of chosen: Set<RecordPosition>, in topic: String, from starts: [TopicPartition: Int64], cluster: any Cluster
    ) async throws(ClusterError) -> [TopicPartition: CommittedOffset] {
        var ends: [TopicPartition: CommittedOffset] = [:]
        let positions = Dictionary(grouping: chosen, by: \.partition)
        let waiting = try await waiting(positions.keys.map { TopicPartition(topic, $0) }, starts, in: cluster)
        for (number, positions) in positions {
            let partition = TopicPartition(topic, number)
            guard let last = positions.map(\.offset).max() else { continue }
            let reader = try await cluster.reader(
                partition, from: .offset(waiting[partition] ?? 0), isolation: .readCommitted)
            defer { reader.close() }
            partition: while reader.position <= last {
                for letter in try await reader.next(maxBytes: 1 << 20, timeout: .seconds(5)).records() {
                    guard chosen.contains(RecordPosition(partition: number, offset: letter.offset)) else {
                        break partition
                    }
                    ends[partition] = CommittedOffset(letter.offset + 1)
                }
            }
        }
        return ends
    }

    /// A letter on its way back.
    package struct Sending: Sendable {
        package var letter: ConsumerRecord
        package var topic: String
        package var key: ByteBuffer?
        package var value: ByteBuffer?

        /// With the letter's key, and the value as it is or mended.
        package init(_ letter: ConsumerRecord, to topic: String, value: ByteBuffer?) {
            self.letter = letter
            self.topic = topic
            key = letter.key
            self.value = value
        }
    }

    /// Sends letters again, without the headers that say why they failed.
    ///
    /// - Parameter group: its offsets are moved behind what was sent, a thousand letters at a time, so that who is cut off
    ///   does not send them twice; nil remembers nothing.
    package static func send(
        _ letters: [Sending], remembering group: String?, in cluster: any Cluster
    ) async throws(ClusterError) {
        let writer = try await cluster.writer(.idempotent)
        do throws(ClusterError) {
            var ends: [TopicPartition: CommittedOffset] = [:]
            for start in stride(from: 0, to: letters.count, by: 1000) {
                let part = letters[start..<min(start + 1000, letters.count)]
                for (topic, own) in Dictionary(grouping: part, by: \.topic).sorted(by: { $0.key < $1.key }) {
                    let records = own.map { sending in
                        ProducerRecord(
                            key: sending.key, value: sending.value, headers: sending.letter.headersOfItsOwn,
                            timestamp: sending.letter.timestamp < 0 ? nil : sending.letter.timestamp)
                    }
                    _ = try await writer.write(records, to: topic)
                }
                guard let group else { continue }
                for sending in part {
                    let letter = sending.letter
                    ends[TopicPartition(letter.topic, letter.partition)] = CommittedOffset(letter.offset + 1)
                }
                try await cluster.alterGroupOffsets(group, ends)
            }
        } catch {
            await writer.close()
            throw error
        }
        await writer.close()
    }
}

extension ConsumerRecord {
    /// What a header of the worker says about why the record is a dead letter, such as `exception.message`.
    package func deadLetterContext(_ name: String) -> String? {
        headers.last { $0.key == DeadLetters.prefix + name }?.value.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The headers that the record had before it became a dead letter.
    package var headersOfItsOwn: [RecordHeader] { headers.filter { !$0.key.hasPrefix(DeadLetters.prefix) } }
}
