package import ConnectCore

/// The sink of S3, of Google Cloud Storage, of folders laid out the same way, and of HDFS: objects of many records in JSON, Avro, Parquet or bytes.
///
/// Exactly once where objects are cut by what the records say (their number, their own time): a second writing of the same
/// records gives objects with the same names and bytes, and offsets are committed behind complete objects only. At least
/// once with times of the clock.
package struct ObjectStoreSinkPlugin: SinkPlugin {
    package enum Flavour: Sendable { case s3, gcs, folder, hdfs }

    static let s3ClassName = "io.confluent.connect.s3.S3SinkConnector"

    package let version: String
    private let flavour: Flavour
    private let surroundings: Surroundings

    package init(_ flavour: Flavour, version: String, _ surroundings: Surroundings = .process) {
        self.flavour = flavour
        self.version = version
        self.surroundings = surroundings
    }

    package var classNames: [String] {
        switch flavour {
        case .s3: [Self.s3ClassName, "S3Sink"]
        case .gcs: ["io.confluent.connect.gcs.GcsSinkConnector", "GcsSink"]
        case .folder: ["swiftwater.connect.FileStoreSinkConnector", "FileStoreSink"]
        case .hdfs:
            [
                "io.confluent.connect.hdfs3.Hdfs3SinkConnector", "io.confluent.connect.hdfs.HdfsSinkConnector",
                "Hdfs3Sink",
            ]
        }
    }

    package var definition: ConfigDef { ObjectStoreSettings.definition(flavour) }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        do throws(ConnectError) {
            _ = try ObjectStoreSettings(properties, flavour, surroundings)
            return []
        } catch {
            let option = error.message.firstRange(of: "for configuration ").map { found in
                String(error.message[found.upperBound...].prefix { $0 != ":" && $0 != " " })
            }
            let place =
                switch flavour {
                case .hdfs: "hdfs.url"
                case .gcs: "gcs.credentials.path"
                case .s3, .folder: "store.url"
                }
            return [ConfigProblem(option ?? place, error.message)]
        }
    }

    package func consequences(
        of change: RecordChange, _ properties: [String: String]
    ) -> [RecordChange.Consequence] {
        // A configuration that does not hold has no connector that runs.
        guard let settings = try? ObjectStoreSettings(properties, flavour, surroundings) else { return [] }
        var found: [RecordChange.Consequence] = []
        if case .byField(let names) = settings.partitioner {
            found += change.named(names, by: "option 'partition.field.name'", in: .value)
        }
        if properties["timestamp.extractor"]?.hasSuffix("RecordField") ?? false {
            found += change.named(
                [properties["timestamp.field"] ?? "timestamp"], by: "option 'timestamp.field'", in: .value)
        }
        return found
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask {
        let settings = try ObjectStoreSettings(properties, flavour, surroundings)
        let pause = TaskPause()
        let store: any ObjectStore
        switch settings.target {
        case .folder(let path): store = FileStore(folder: path, disk: surroundings.disk)
        case .s3(let s3):
            store = S3Store(
                client: try S3Client(
                    s3, pause, now: { [context] in context.now }, log: { [context] in context.log($0, $1) }))
        case .gcs(let gcs):
            store = GCSStore(
                client: try GCSClient(
                    gcs, pause, now: { [context] in context.now }, log: { [context] in context.log($0, $1) }))
        case .hdfs(let hdfs, let notes):
            store = HDFSStore(
                try WebHDFSClient(hdfs, pause, log: { [context] in context.log($0, $1) }),
                topics: settings.topicsDirectory, notes: notes, connector: context.identity.connector,
                stepByteCount: surroundings.hdfsStepByteCount)
        }
        return ObjectStoreSinkTask(settings, store, context, pause)
    }
}
