import Cluster
import SQLFormats
import SQLPlan
import SQLTypes

/// Finds the partition of a key of a query's table, where that is certain: the rows came through a topic of the query's own,
/// and the key's bytes there are simple. Topics of others may have been written with another rule.
struct KeyRouter: Sendable {
    private let type: SQLType

    init?(_ topology: SubTopologies) {
        guard let part = topology.parts.last, part.sourceTopics.isEmpty, part.inputs.count == 1, !part.isUndivided,
            let input = part.inputs.first, input.formats.key.info.format == .kafka, part.root.schema.keyCount == 1
        else { return nil }
        var keys: [RowSchema.Column]?
        part.root.forEach { step in
            if step.repartitionTopic?.name == input.name { keys = Array(step.schema.keys) }
        }
        guard let keys, keys.count == 1, keys[0].type == part.root.schema.columns[0].type else { return nil }
        type = keys[0].type
    }

    /// nil: it may be any.
    func partition(of key: [SQLValue], count: Int32) -> Int32? {
        guard key.count == 1, let value = key.first else { return nil }
        var bytes: [UInt8] = []
        switch (type, value) {
        case (.string, .string(let text)): bytes = Array(text.utf8)
        case (.int, .int(let number)): withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
        case (.bigint, .bigint(let number)): withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
        case (.double, .double(let number)):
            withUnsafeBytes(of: number.bitPattern.bigEndian) { bytes.append(contentsOf: $0) }
        default: return nil
        }
        return bytes.withUnsafeBytes { (Partitioner.murmur2($0) & 0x7FFF_FFFF) % max(1, count) }
    }
}
