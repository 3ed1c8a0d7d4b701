import SQLTypes

/// `io.debezium.transforms.partitions.PartitionRouting`: events of rows go to a partition by fields of theirs.
struct PartitionRouting: Transformation {
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "partition.payload.fields", .list, .required, .notEmptyList, .high,
            "The fields: change.name is that of the row as it is, or was before a delete; also before.name, after.name, "
                + "source.table, op. Fields that an event does not have do not count.",
            displayName: "List of payload fields to use for compute partition.")
        definition.define(
            "partition.topic.num", .int, .required, .between(1, Int64(Int32.max)), .high,
            "How many partitions the topic has. The predicate TopicNameMatches tells topics apart.",
            displayName: "Number of partition configured for topic")
        definition.define(
            "partition.hash.function", .string, .value(.string("java")), .oneOf(["java"], ignoresCase: true), .low,
            "java: the sum of the values' hashCode. murmur is not there.", displayName: "Hash function")
        return definition
    }()

    private let paths: [[String]]
    private let count: Int32

    init(_ values: ConfigValues) throws(ConnectError) {
        let fields = values.list("partition.payload.fields")
        guard !fields.contains(where: \.isEmpty) else {
            throw .config(
                "partition.payload.fields", fields.joined(separator: ","),
                "The 'partition.payload.fields' value is invalid: Empty string element(s) not permitted")
        }
        paths = fields.map { $0.split(separator: ".", omittingEmptySubsequences: false).map(\.trimmed) }
        count = values.integer("partition.topic.num").flatMap { Int32(exactly: $0) } ?? 1
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard case .structure(let event) = record.value.value, ExtractNewRecordState.isEvent(event.schema),
            let operation = event["op"]?.string, operation != "t", operation != "m"
        else { return record }
        var sum: Int32 = 0
        var isFound = false
        for path in paths {
            guard let value = Self.find(path, event, isDelete: operation == "d") else { continue }
            guard let hash = Self.hash(value) else {
                throw .data(
                    "Field \(path.joined(separator: ".")) names no partition: it has to be a number, a boolean, a text or "
                        + "a time, found: \(value.javaClass)")
            }
            sum = sum &+ hash
            isFound = true
        }
        guard isFound else { return record }
        var record = record
        record.partition = Self.partition(sum, count)
        return record
    }

    /// As upstream's `computePartition`, the largest number included.
    static func partition(_ sum: Int32, _ count: Int32) -> Int32 {
        let hash = sum & .max
        return hash == .max ? 0 : hash % count
    }

    /// nil for what is not there, or is null.
    private static func find(_ path: [String], _ event: ConnectStruct, isDelete: Bool) -> ConnectValue? {
        var value = ConnectValue.structure(event)
        for (place, step) in path.enumerated() {
            let isChange = step == "change" && place == 0 && path.count > 1
            guard let inner = value.structure?[isChange ? (isDelete ? "before" : "after") : step] else { return nil }
            value = inner
        }
        return value.isNull ? nil : value
    }

    /// Java's `hashCode`; nil for values whose hash is another in every process, or of several values.
    static func hash(_ value: ConnectValue) -> Int32? {
        func folded(_ bits: UInt64) -> Int32 { Int32(truncatingIfNeeded: bits ^ bits >> 32) }
        switch value {
        case .int8, .int16, .int32: return value.integer.map { Int32(truncatingIfNeeded: $0) }
        case .int64(let number), .instant(let number): return folded(UInt64(bitPattern: number))
        case .boolean(let flag): return flag ? 1231 : 1237
        case .float32(let number): return Int32(bitPattern: number.isNaN ? 0x7FC0_0000 : number.bitPattern)
        case .float64(let number): return folded(number.isNaN ? 0x7FF8_0000_0000_0000 : number.bitPattern)
        case .string(let text): return text.utf16.reduce(Int32(0)) { $0 &* 31 &+ Int32($1) }
        case .decimal(let decimal):
            // The magnitude in words of 32 bits, the greatest first.
            var bytes = decimal.bigEndian
            let isNegative = bytes.first.map { $0 >= 0x80 } ?? false
            if isNegative {
                var carry: UInt16 = 1
                for place in bytes.indices.reversed() {
                    carry += UInt16(~bytes[place])
                    bytes[place] = UInt8(truncatingIfNeeded: carry)
                    carry >>= 8
                }
            }
            bytes.insert(contentsOf: repeatElement(0, count: (4 - bytes.count % 4) % 4), at: 0)
            var hash: Int32 = 0
            for start in stride(from: 0, to: bytes.count, by: 4) {
                let word = bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                hash = hash &* 31 &+ Int32(bitPattern: word)
            }
            return (isNegative ? 0 &- hash : hash) &* 31 &+ Int32(truncatingIfNeeded: decimal.scale)
        default: return nil
        }
    }
}
