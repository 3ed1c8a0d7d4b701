import ConnectCore
import Environment
import NIOPosix

/// Reads lines as they are written. A file that is missing is waited for; one that was opened is read on, also when it got
/// another name, as the original does. The position in offsets counts bytes.
///
/// `@unchecked Sendable`: the contract has one caller at a time for everything but `stop`, which touches `pause` only.
final class FileSourceTask: SourceTask, @unchecked Sendable {
    static let filename = "filename"
    static let position = "position"
    static let lineByteCountMax = 64 << 20
    private static let chunkByteCount = 64 << 10
    /// How often a file is looked at that has nothing new.
    private static let interval = Duration.milliseconds(100)
    private static let looksMax = 10

    private let path: String?
    private let topic: String
    private let lineCountMax: Int
    private let context: any SourceTaskContext
    private let pause = TaskPause()
    private let partition: ConnectMap
    private var file: StreamFile?
    private var lines = LineSplitter(byteCountMax: FileSourceTask.lineByteCountMax)
    private var position: Int64 = 0
    private var isMissing = false

    init(_ values: ConfigValues, _ context: any SourceTaskContext) {
        path = values.text("file")
        topic = values.string("topic") ?? ""
        lineCountMax = Int(max(1, values.integer("batch.size") ?? 2000))
        partition = ConnectMap([(Self.filename, path.map { .string($0) } ?? .null)])
        self.context = context
    }

    func start() async throws(ConnectError) {
        if path == nil { file = .standardInput }
    }

    func poll() async throws(ConnectError) -> SourcePoll {
        for look in 0..<Self.looksMax {
            guard !pause.isEnded, !Task.isCancelled else { return SourcePoll() }
            if look > 0 { await pause.wait(Self.interval) }
            guard let file = try await opened() else { continue }
            let (records, isAtEnd) = try await read(file)
            if !records.isEmpty { return SourcePoll(records) }
            // A file may grow; what the standard input has given up is over.
            if isAtEnd, path == nil { return SourcePoll(isFinished: true) }
        }
        return SourcePoll()
    }

    /// nil while there is no such file.
    private func opened() async throws(ConnectError) -> StreamFile? {
        if let file { return file }
        guard let path else { return nil }
        let opened: StreamFile
        do {
            opened = try await NIOThreadPool.singleton.runIfActive { try StreamFile.reading(path) }
        } catch let error as DiskError where error.code == .notFound {
            if !isMissing {
                context.log(
                    .warning,
                    "Couldn't find file \(path) for FileStreamSourceTask, sleeping to wait for it to be created")
            }
            isMissing = true
            return nil
        } catch {
            throw Self.failure(error)
        }
        if let offset = try await context.offset(of: partition) {
            guard let stored = offset[Self.position]?.integer, stored >= 0 else {
                throw ConnectError(.connect, "Offset position is the incorrect type")
            }
            do throws(DiskError) { try opened.seek(to: stored) } catch { throw Self.failure(error) }
            position = stored
        }
        file = opened
        return opened
    }

    /// The lines that are there, up to a batch.
    private func read(_ file: StreamFile) async throws(ConnectError) -> (records: [ConnectRecord], isAtEnd: Bool) {
        var records: [ConnectRecord] = []
        let now = context.now
        while true {
            while records.count < lineCountMax, let (line, byteCount) = lines.next() {
                position += Int64(byteCount)
                let offset = path == nil ? ConnectValue.null : .int64(position)
                records.append(
                    ConnectRecord(
                        topic: topic, value: SchemaAndValue(.string, .string(line)), timestamp: now,
                        origin: .source(partition: partition, offset: ConnectMap([(Self.position, offset)]))))
            }
            if records.count >= lineCountMax { return (records, false) }
            guard !lines.isTooLong else {
                throw ConnectError(
                    .connect, "\(file.path): the line at byte \(position) is longer than \(Self.lineByteCountMax) bytes"
                )
            }
            let chunk: StreamFile.Chunk
            do {
                chunk = try await NIOThreadPool.singleton.runIfActive { try file.read(Self.chunkByteCount) }
            } catch {
                throw Self.failure(error)
            }
            switch chunk {
            case .bytes(let bytes): lines.append(bytes)
            case .end: return (records, true)
            case .nothingYet: return (records, false)
            }
        }
    }

    private static func failure(_ error: any Error) -> ConnectError { ConnectError(.connect, "\(error)") }

    func stop() async { pause.end() }
}
