import ConnectCore
import ConnectorDatagen

/// How fast sources make records, without converters and topics. Arguments: quickstart and number of records.

/// What a worker offers to a task that begins anew.
struct BareContext: SourceTaskContext {
    let identity = TaskIdentity(connector: "bench", task: 0)
    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap? { nil }
    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)] { [] }
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {}
    var now: Int64 { 0 }
    func requestReconfiguration() {}
}

let quickstart = CommandLine.arguments.dropFirst().first ?? "ratings"
let wanted = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 1_000_000
let task = try DatagenPlugin(version: "bench").makeTask(
    ["kafka.topic": "t", "quickstart": quickstart, "max.interval": "0", "random.seed": "1"], BareContext())
try await task.start()
var count = 0
var checksum = 0
let start = ContinuousClock.now
while count < wanted {
    let records = try await task.poll().records
    count += records.count
    for record in records { checksum &+= record.value.value.structure?.values.count ?? 0 }
}
let seconds = (ContinuousClock.now - start) / .seconds(1)
await task.stop()
print("datagen \(quickstart): \(Int(Double(count) / seconds)) records/s (\(count) records, checksum \(checksum))")
