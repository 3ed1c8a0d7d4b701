import ConnectCore
import ConnectorDatagen
import ConnectorObjectStore

/// What a worker offers to a sink.
private struct BareSinkContext: SinkTaskContext {
    let identity = TaskIdentity(connector: "bench", task: 0)
    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) {}
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) {}
    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) { throw error }
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {}
    var now: Int64 { 0 }
}

/// How fast a sink writes made-up ratings into a folder, without topics and converters.
///
/// - Parameter format: Json, Avro or Parquet.
func benchObjects(format: String, folder: String, count: Int) async throws {
    let source = try DatagenPlugin(version: "bench").makeTask(
        ["kafka.topic": "t", "quickstart": "ratings", "max.interval": "0", "random.seed": "1"], BareContext())
    try await source.start()
    var records: [ConnectRecord] = []
    while records.count < 20_000 { records += try await source.poll().records }
    await source.stop()
    let json = JSONConverter(
        {
            var options = JSONConverter.Options()
            options.hasSchemas = false
            return options
        }())
    // As JSON lines, whatever is written: so formats can be compared.
    var byteCount = 0
    for record in records { byteCount += try json.bytes(record.value, topic: "t")?.count ?? 0 }
    let sink = try ObjectStoreSinkPlugin(.folder, version: "bench").makeTask(
        [
            "store.url": "file://\(folder)", "flush.size": "500000",
            "format.class": "io.confluent.connect.s3.format.\(format.lowercased()).\(format)Format",
        ], BareSinkContext())
    try await sink.start()
    var offset: Int64 = 0
    let start = ContinuousClock.now
    while offset < count {
        var batch: [ConnectRecord] = []
        for _ in 0..<500 {
            var record = records[Int(offset) % records.count]
            record.origin = .sink(topic: "t", partition: 0, offset: offset, timestampKind: .create)
            batch.append(record)
            offset += 1
        }
        try await sink.put(batch)
    }
    let done = try await sink.preCommit([:]).values.first ?? 0
    await sink.stop()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let megabytes = Double(byteCount) / Double(records.count) * Double(count) / 1e6
    print(
        "objects \(format): \(Int(Double(count) / seconds)) records/s, \(Int(megabytes / seconds)) MB/s of JSON lines "
            + "(\(count) records, \(done) in complete objects)")
}
