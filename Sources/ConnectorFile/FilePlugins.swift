package import ConnectCore

/// `org.apache.kafka.connect.file.FileStreamSourceConnector`: the lines of a file, a pipe or the standard input.
///
/// Delivery: exactly once for files where offsets are committed with the records, else at least once. Lines of the standard
/// input come once: it cannot be read again.
package struct FileSourcePlugin: SourcePlugin {
    package let classNames = ["org.apache.kafka.connect.file.FileStreamSourceConnector"]
    package let version: String

    package init(version: String) { self.version = version }

    package var definition: ConfigDef {
        var definition = ConfigDef()
        definition.define(
            "file", .string, .null, nil, .high, "The file whose lines are read. Without it the standard input.")
        definition.define("topic", .string, .required, .notEmpty, .high, "The topic to write to.")
        definition.define(
            "batch.size", .int, .value(.integer(2000)), nil, .low, "The most lines that are taken at once.")
        return definition
    }

    /// A file has one reader, whatever `tasks.max` says.
    package func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]] { [properties] }

    package func supportsExactlyOnce(_ properties: [String: String]) -> Bool {
        !(properties["file"] ?? "").isEmpty
    }

    package func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool {
        guard !(properties["file"] ?? "").isEmpty else {
            throw ConnectError(
                .connect,
                "Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for "
                    + "input and offsets are not tracked.")
        }
        for (partition, offset) in offsets {
            guard let offset else { continue }
            guard let position = offset[FileSourceTask.position] else {
                throw ConnectError(.connect, "Offset objects should either be null or contain the key 'position'")
            }
            guard let position = position.integer else {
                throw ConnectError(
                    .connect, "The value for the 'position' key in the offset is expected to be a Long value")
            }
            guard position >= 0 else {
                throw ConnectError(
                    .connect, "The value for the 'position' key in the offset should be a non-negative value")
            }
            guard partition[FileSourceTask.filename] != nil else {
                throw ConnectError(.connect, "Partition objects should contain the key 'filename'")
            }
        }
        return true
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        FileSourceTask(try definition.parse(properties), context)
    }
}

/// `org.apache.kafka.connect.file.FileStreamSinkConnector`: values as lines at the end of a file, or on the standard output.
///
/// Delivery: at least once. Lines are in the file when a batch was put, and on disk before its offsets are committed; those
/// put after the last commit come again after a failure.
package struct FileSinkPlugin: SinkPlugin {
    package let classNames = ["org.apache.kafka.connect.file.FileStreamSinkConnector"]
    package let version: String

    package init(version: String) { self.version = version }

    package var definition: ConfigDef {
        var definition = ConfigDef()
        definition.define(
            "file", .string, .null, nil, .high,
            "The file at whose end values are written. Without it the standard output.")
        return definition
    }

    /// The file does not know offsets: any may be set.
    package func alterOffsets(
        _ properties: [String: String], _ offsets: [SinkPartition: Int64?]
    ) async throws(ConnectError) -> Bool { true }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        FileSinkTask(try definition.parse(properties).text("file"), context)
    }
}
