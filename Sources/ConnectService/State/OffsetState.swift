import Cluster
import ConnectCore
import JSONFormat
import NIOCore

/// A source's offset in one of its partitions.
struct SourceOffset: Sendable {
    var partition: ConnectMap
    /// nil where the offset was taken back.
    var offset: ConnectMap?
    /// The record's key as it is in the topic: whoever writes an offset of the partition again uses these bytes, so
    /// that compaction sees one key whatever order another worker gave the members.
    var key: [UInt8]
}

/// What the records of an offsets topic add up to: key `["NAME",{partition}]`, value `{offset}`. Pure.
struct OffsetState: Sendable {
    /// By connector, then by the partition's text with sorted members.
    private(set) var offsets: [String: [String: SourceOffset]] = [:]

    mutating func apply(_ record: ConsumerRecord) {
        guard let bytes = record.key.map({ Array($0.readableBytesView) }),
            let key = JSONValue.parse(bytes), let parts = key.elements, parts.count == 2, let name = parts[0].text,
            parts[1].members != nil, let partition = SourceOffsets.map(parts[1])
        else { return }
        let offset = record.valueBytes.flatMap { JSONValue.parse($0) }.flatMap(SourceOffsets.map)
        offsets[name, default: [:]][SourceOffsets.identity(parts[1])] = SourceOffset(
            partition: partition, offset: offset, key: bytes)
    }

    /// All of a connector, sorted; without those that were taken back unless they are asked for.
    func of(_ connector: String, withDropped: Bool = false) -> [SourceOffset] {
        (offsets[connector] ?? [:]).sorted { $0.key < $1.key }.map(\.value).filter { withDropped || $0.offset != nil }
    }
}

/// Source partitions and offsets as JSON: what the original's converter without schemas makes of them.
enum SourceOffsets {
    private static let converter: JSONConverter = {
        var options = JSONConverter.Options()
        options.hasSchemas = false
        return JSONConverter(options)
    }()

    static func json(_ map: ConnectMap) throws(ConnectError) -> JSONValue {
        try converter.json(SchemaAndValue(nil, .map(map)))
    }

    /// nil for what is no object.
    static func map(_ json: JSONValue) -> ConnectMap? {
        guard json.members != nil else { return nil }
        return (try? converter.connectValue(json, nil))?.map
    }

    /// The same text for the same partition, whatever the order of its members.
    static func identity(_ partition: JSONValue) -> String {
        String(decoding: partition.javaBytes(isSorted: true), as: UTF8.self)
    }

    static func key(_ connector: String, _ partition: JSONValue) -> [UInt8] {
        JSONValue.array([.string(connector), partition]).bytes
    }
}
