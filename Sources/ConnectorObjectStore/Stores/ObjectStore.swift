import ConnectCore

/// Where objects go.
protocol ObjectStore: Sendable {
    /// Looks whether it is there and may be used.
    ///
    /// - Throws: what keeps every object from being written.
    func check() async throws(ConnectError)
    /// An object of which nothing is written yet. Nobody sees it before `complete`; it replaces one with its name.
    func upload(_ key: String, contentType: String) -> any ObjectUpload
    /// Adds labels to a complete object.
    func tag(_ key: String, _ tags: [(name: String, value: String)]) async throws(ConnectError)
    func close() async
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
    /// Brings the rest and makes the object visible, durable and whole. Nothing happens when it is already.
    func complete() async throws(ConnectError)
    /// Gives back what an object takes up that will not become complete.
    func abort() async
}
