package import ConnectCore

/// What the connectors of all databases' logs have in common.
package protocol LogSourcePlugin: SourcePlugin {
    /// Whether an offset is a place in the log.
    static func isPlace(_ offset: ConnectMap) -> Bool
    /// What to tell of an offset that is none.
    static var wrongPlace: String { get }
}

extension LogSourcePlugin {
    /// The log is one stream: one task reads it, whatever `tasks.max` says.
    package func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]] {
        [properties]
    }

    package func supportsExactlyOnce(_ properties: [String: String]) -> Bool { true }

    package func definesBoundaries(_ properties: [String: String]) -> Bool { true }

    package func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool {
        for (partition, offset) in offsets {
            guard partition.count == 1, let server = partition["server"]?.string, !server.isEmpty else {
                throw ConnectError(.connect, "The partition of an offset has to be {\"server\": \"<topic.prefix>\"}")
            }
            if let offset, !Self.isPlace(offset) { throw ConnectError(.connect, Self.wrongPlace) }
        }
        return true
    }

    /// Lists of names of which one leaves no room for the other.
    static func exclusions(_ pairs: [(String, String)], _ properties: [String: String]) -> [ConfigProblem] {
        pairs.compactMap { first, second in
            guard properties[first] != nil, properties[second] != nil else { return nil }
            return ConfigProblem(
                second, "The '\(second)' value is invalid: \"\(second)\" is already specified, or \"\(first)\" is")
        }
    }

    /// What reads only has no table to write into.
    static func readOnlyProblem(_ properties: [String: String]) -> [ConfigProblem] {
        do throws(ConnectError) {
            try EventOptions.checkReadOnly(properties)
            return []
        } catch {
            return [ConfigProblem("read.only", error.message)]
        }
    }

    /// A poll must not wait for more than may wait for it.
    static func queueProblem(_ properties: [String: String]) -> [ConfigProblem] {
        func number(_ name: String, _ fallback: Int) -> Int? {
            guard let text = properties[name] else { return fallback }
            return Int(text.trimmingSpaces)
        }
        // What is no number is found by the definition.
        guard let queue = number("max.queue.size", 8192), let batch = number("max.batch.size", 2048), queue <= batch
        else { return [] }
        return [
            ConfigProblem(
                "max.queue.size", "The 'max.queue.size' value is invalid: Must be larger than the maximum batch size")
        ]
    }
}
