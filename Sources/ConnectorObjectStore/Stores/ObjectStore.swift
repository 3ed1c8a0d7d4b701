import ConnectCore

/// Where objects go.
protocol ObjectStore: Sendable {
    /// Looks whether it is there and may be used.
    ///
    /// - Throws: what keeps every object from being written.
    func check() async throws(ConnectError)
    /// Whether an object gets its name when it is published, with the offset of its last record in it.
    var namesObjectsAtTheirEnd: Bool { get }
    /// Called when a partition comes to the task.
    ///
    /// - Returns: the offsets of records that are done although nobody may have committed that; nil: none that the store
    ///   knows of.
    func resume(_ partition: SinkPartition) async throws(ConnectError) -> Range<Int64>?
    /// An object of which nothing is written yet, for records of the partition. Nobody sees it before `complete` and
    /// `publish`; it replaces one with its name.
    func upload(_ key: String, contentType: String, of partition: SinkPartition) -> any ObjectUpload
    /// Makes objects that are complete visible, all of them or, after a crash, those that are left by `resume`. After a
    /// `.retriable` error the same call may be made again.
    ///
    /// - Parameter offsets: of the records that may not be committed yet, up to the last one in these objects.
    func publish(
        _ objects: [(upload: any ObjectUpload, key: String)], of partition: SinkPartition, offsets: Range<Int64>
    ) async throws(ConnectError)
    /// All that was published of the partition is committed.
    func settle(_ partition: SinkPartition) async throws(ConnectError)
    /// Adds labels to a complete object.
    func tag(_ key: String, _ tags: [(name: String, value: String)]) async throws(ConnectError)
    func close() async
}

/// Stores whose objects are visible once they are complete.
extension ObjectStore {
    var namesObjectsAtTheirEnd: Bool { false }
    func resume(_ partition: SinkPartition) async throws(ConnectError) -> Range<Int64>? { nil }
    func publish(
        _ objects: [(upload: any ObjectUpload, key: String)], of partition: SinkPartition, offsets: Range<Int64>
    ) async throws(ConnectError) {}
    func settle(_ partition: SinkPartition) async throws(ConnectError) {}
}

/// An object on its way. One caller at a time. After a `.retriable` error the same call may be made again.
protocol ObjectUpload: AnyObject, Sendable {
    var key: String { get }
    /// Bytes in memory.
    var pendingByteCount: Int { get }
    /// Takes bytes behind those before.
    func append(_ bytes: [UInt8])
    /// Brings to the store what is enough for a step.
    ///
    /// - Parameter early: also what is less than a whole part, as far as the store takes it: memory is short.
    func send(early: Bool) async throws(ConnectError)
    /// Brings the rest and makes the object durable, whole and, where the store does not publish, visible. Nothing happens
    /// when it is already.
    func complete() async throws(ConnectError)
    /// Gives back what an object takes up that will not become complete.
    func abort() async
}
