import ConnectCore
import Foundation
import Synchronization

/// What a worker offers, without a worker.
final class SourceContext: SourceTaskContext {
    let identity: TaskIdentity
    let stored = Mutex<[ConnectMap: ConnectMap]>([:])

    init(task: Int = 0) { identity = TaskIdentity(connector: "c", task: task) }

    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap? {
        stored.withLock { $0[partition] }
    }

    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)] {
        stored.withLock { $0.map { ($0.key, $0.value) } }
    }

    func commit(_ record: ConnectRecord) {
        guard case .source(let partition, let offset) = record.origin else { return }
        stored.withLock { $0[partition] = offset }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {}
    var now: Int64 { 0 }
    func requestReconfiguration() {}
}

/// A text that lies beside the repository; nil when it is not there.
func sharedText(_ path: String) -> String? {
    let base = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"] ?? "../shared"
    return FileManager.default.contents(atPath: base + "/" + path).map { String(decoding: $0, as: UTF8.self) }
}
