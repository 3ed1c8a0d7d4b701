import ConnectCore
import Environment
import NIOPosix

/// Writes values as lines, each batch with one call of the system.
///
/// `@unchecked Sendable`: the contract has one caller at a time.
final class FileSinkTask: SinkTask, @unchecked Sendable {
    private let path: String?
    private var file: StreamFile?
    private var isDirty = false

    init(_ path: String?, _ context: any SinkTaskContext) { self.path = path }

    func start() async throws(ConnectError) {
        guard let path else {
            file = .standardOutput
            return
        }
        do {
            file = try await NIOThreadPool.singleton.runIfActive { try StreamFile.appending(path) }
        } catch {
            throw ConnectError(.connect, "Couldn't find or create file '\(path)' for FileStreamSinkTask: \(error)")
        }
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        guard !records.isEmpty else { return }
        guard let file else { throw ConnectError(.connect, "The task was not started") }
        let converter = StringConverter()
        var bytes: [UInt8] = []
        for record in records {
            bytes += try converter.bytes(record.value, topic: record.topic) ?? Array("null".utf8)
            bytes.append(UInt8(ascii: "\n"))
        }
        let lines = bytes
        isDirty = true
        do {
            try await NIOThreadPool.singleton.runIfActive { try file.write(lines) }
        } catch {
            throw ConnectError(.connect, "\(error)")
        }
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        guard let file, isDirty, path != nil else { return offsets }
        do {
            try await NIOThreadPool.singleton.runIfActive { try file.sync() }
        } catch {
            throw ConnectError(.connect, "\(error)")
        }
        isDirty = false
        return offsets
    }

    func stop() async { file = nil }
}
