import Bytes
import ConnectCore
import Synchronization

/// A folder of HDFS. Objects are written below `+tmp` and renamed when they are whole; what is to be renamed for one partition
/// is noted before, so that a worker that goes on after a crash renames the rest and knows which records are done.
final class HDFSStore: ObjectStore {
    private let client: WebHDFSClient
    /// `/topics`
    private let topics: String
    /// `/logs`: the original's name for it.
    private let notes: String
    private let connector: String
    let stepByteCount: Int
    private let state = Mutex(State())

    private struct State {
        var folders: Set<String> = []
        var objectCount = 0
        /// Partitions that have a note.
        var noted: Set<SinkPartition> = []
    }

    /// - Parameters:
    ///   - topics: the folder that holds those of the topics.
    ///   - notes: that of `PublishNote`s.
    ///   - connector: whose they are; others may write the same topics elsewhere.
    ///   - stepByteCount: what is sent before a file is whole.
    init(_ client: WebHDFSClient, topics: String, notes: String, connector: String, stepByteCount: Int) {
        self.client = client
        self.topics = "/" + topics.split(separator: "/").joined(separator: "/")
        self.notes = "/" + notes
        self.stepByteCount = stepByteCount
        self.connector = PercentEncoding.encoded(connector).replacing("%", with: "_")
    }

    var namesObjectsAtTheirEnd: Bool { true }

    func check() async throws(ConnectError) {
        try await makeFolder(topics)
        try await makeFolder(notes)
    }

    func upload(_ key: String, contentType: String, of partition: SinkPartition) -> any ObjectUpload {
        HDFSUpload(self, key, partition)
    }

    func tag(_ key: String, _ tags: [(name: String, value: String)]) async throws(ConnectError) {}

    func close() async { await client.close() }

    // MARK: Partitions

    private func folder(_ partition: SinkPartition) -> String { "\(Self.part(partition.topic))/\(partition.partition)" }
    private func temporaries(_ partition: SinkPartition) -> String {
        "\(topics)/+tmp/\(connector)/\(folder(partition))"
    }
    private func log(_ partition: SinkPartition) -> String { "\(notes)/\(connector)/\(folder(partition))/log" }

    /// Names of topics may be `.` and `..` to a file system.
    private static func part(_ topic: String) -> String { topic == "." || topic == ".." ? "_" + topic : topic }

    /// Does what a worker before this one has left undone.
    func resume(_ partition: SinkPartition) async throws(ConnectError) -> Range<Int64>? {
        var written: Range<Int64>?
        if let bytes = try await client.contents(log(partition)) {
            let note = try PublishNote(bytes, log(partition))
            for object in note.objects { try await rename(object.from, object.to, note: log(partition)) }
            written = note.offsets
            state.withLock { _ = $0.noted.insert(partition) }
        }
        try await client.delete(temporaries(partition))
        state.withLock { state in state.folders = state.folders.filter { !$0.hasPrefix(temporaries(partition)) } }
        return written
    }

    func publish(
        _ objects: [(upload: any ObjectUpload, key: String)], of partition: SinkPartition, offsets: Range<Int64>
    ) async throws(ConnectError) {
        let note = PublishNote(
            objects: objects.compactMap { object in
                (object.upload as? HDFSUpload).map { ($0.temporary, Self.path(object.key)) }
            }, offsets: offsets)
        let log = log(partition)
        try await makeFolder(Self.parent(log))
        try await client.create(log + ".tmp", note.bytes)
        if try await !client.rename(log + ".tmp", to: log) {
            // By an attempt of which the answer was lost, or it is gone.
            guard try await client.contents(log) == note.bytes else {
                forget(Self.parent(log))
                throw ConnectError(.retriable, "'\(log).tmp' is gone before it was renamed")
            }
        }
        state.withLock { _ = $0.noted.insert(partition) }
        for object in note.objects { try await rename(object.from, object.to, note: log) }
    }

    private func rename(_ from: String, _ to: String, note: String) async throws(ConnectError) {
        let folder = Self.parent(to)
        try await makeFolder(folder)
        if try await client.rename(from, to: to) { return }
        // Somebody has taken the folder away.
        forget(folder)
        try await makeFolder(folder)
        if try await client.rename(from, to: to) { return }
        // Done before.
        guard try await client.length(to) != nil else {
            throw ConnectError(
                .connect,
                "neither '\(from)' nor '\(to)' is there, which '\(note)' tells of: if somebody took the file away when it was "
                    + "whole, delete the note; else its records come again without it, too")
        }
    }

    func settle(_ partition: SinkPartition) async throws(ConnectError) {
        guard state.withLock({ $0.noted.contains(partition) }) else { return }
        try await client.delete(log(partition))
        state.withLock { _ = $0.noted.remove(partition) }
    }

    // MARK: Files

    /// Where an object belongs: a name may not lead elsewhere.
    static func path(_ key: String) -> String { "/" + FileStore.path(key) }

    /// A name that no other attempt has.
    func temporary(_ key: String, of partition: SinkPartition) -> String {
        let number = state.withLock { state in
            state.objectCount += 1
            return state.objectCount
        }
        let name = key.split(separator: "/").last.map(String.init) ?? ""
        return "\(temporaries(partition))/\(UInt64.random(in: .min ... .max))-\(number)_tmp\(name)"
    }

    func create(_ path: String, _ bytes: [UInt8]) async throws(ConnectError) {
        try await makeFolder(Self.parent(path))
        try await client.create(path, bytes)
    }

    func append(_ path: String, _ bytes: [UInt8]) async throws(ConnectError) {
        try await client.append(path, bytes)
    }

    /// Takes away what may be behind so many bytes.
    ///
    /// - Throws: `.retriable` while the file system is still at it.
    func cut(_ path: String, to length: Int64) async throws(ConnectError) {
        // Refused as long as an attempt of before has the file open.
        let isCut = try await client.truncate(path, to: length)
        guard isCut, try await client.length(path) == length else {
            throw ConnectError(.retriable, "'\(path)' is being cut to \(length) bytes")
        }
    }

    func delete(_ path: String) async throws(ConnectError) { try await client.delete(path) }

    private func forget(_ folder: String) { state.withLock { _ = $0.folders.remove(folder) } }

    private func makeFolder(_ path: String) async throws(ConnectError) {
        guard !path.isEmpty, !state.withLock({ $0.folders.contains(path) }) else { return }
        try await client.makeFolder(path)
        state.withLock { state in
            // Folders by time come and go.
            if state.folders.count > 10_000 { state.folders = [] }
            state.folders.insert(path)
        }
    }

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}
