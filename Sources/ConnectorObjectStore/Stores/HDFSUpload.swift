import ConnectCore

/// A file of HDFS on its way: made with its first bytes and grown by appending.
///
/// `@unchecked Sendable`: the contract has one caller at a time.
final class HDFSUpload: ObjectUpload, @unchecked Sendable {
    let key: String
    /// Where the file is until it is renamed.
    let temporary: String
    private var isMade = false
    private let store: HDFSStore
    private var pending: [UInt8] = []
    private var written: Int64 = 0
    /// Whether more than `written` may be in the file, as nobody knows how an attempt ended.
    private var isUncertain = false
    private var isComplete = false

    init(_ store: HDFSStore, _ key: String, _ partition: SinkPartition) {
        self.store = store
        self.key = key
        temporary = store.temporary(key, of: partition)
    }

    var pendingByteCount: Int { pending.count }

    func append(_ bytes: [UInt8]) {
        if pending.isEmpty { pending = bytes } else { pending += bytes }
    }

    func send(early: Bool) async throws(ConnectError) {
        // Memory is short: a sixteenth of a step will do.
        guard pending.count >= (early ? store.stepByteCount / 16 : store.stepByteCount) else { return }
        try await write()
    }

    private func write() async throws(ConnectError) {
        guard isMade else {
            // An attempt that failed is overwritten by the next one: the file has nothing else yet.
            try await store.create(temporary, pending)
            isMade = true
            return wrote()
        }
        guard !pending.isEmpty else { return }
        if isUncertain {
            try await store.cut(temporary, to: written)
            isUncertain = false
        }
        isUncertain = true
        try await store.append(temporary, pending)
        isUncertain = false
        wrote()
    }

    private func wrote() {
        written += Int64(pending.count)
        pending = []
    }

    func complete() async throws(ConnectError) {
        guard !isComplete else { return }
        try await write()
        isComplete = true
    }

    func abort() async {
        guard isMade else { return }
        // What stays behind is deleted by who comes next.
        try? await store.delete(temporary)
    }
}
