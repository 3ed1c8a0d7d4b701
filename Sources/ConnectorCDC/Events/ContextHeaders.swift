internal import ConnectCore

/// Headers of rows' events, tombstones and definitions that tell which run of which connector they are of:
/// `extended.headers.enabled`.
enum ContextHeaders {
    private static let prefix = "__debezium.context."

    /// - Parameter runID: another one for each start of the task.
    static func make(_ config: EventOptions, runID: String) -> [ConnectHeader] {
        guard config.hasContextHeaders else { return [] }
        return [
            ("connectorLogicalName", config.prefix), ("taskId", "0"), ("connectorName", config.connector),
            ("runId", runID),
        ].map { ConnectHeader(prefix + $0, .string, .string($1)) }
    }

    /// A UUID of version 7 (RFC 9562): milliseconds since 1970 in front, chance behind.
    static func runID(milliseconds: Int64, random: (UInt64, UInt64)) -> String {
        var bytes: [UInt8] = []
        for shift in stride(from: 40, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: milliseconds >> shift))
        }
        bytes.append(0x70 | UInt8(truncatingIfNeeded: random.0 & 0x0F))
        bytes.append(UInt8(truncatingIfNeeded: random.0 >> 8))
        bytes.append(0x80 | UInt8(truncatingIfNeeded: random.1 & 0x3F))
        for shift in stride(from: 8, through: 56, by: 8) { bytes.append(UInt8(truncatingIfNeeded: random.1 >> shift)) }
        return BinlogDecoder.uuid(bytes)
    }
}
