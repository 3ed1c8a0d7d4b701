package import Environment
import Synchronization

/// Bounds the open handles of files that are only read: closed segments and index files of all logs of a process.
///
/// The least recently used handle is let go; whoever still reads from it keeps it open by its own reference.
package final class FileCache: Sendable {
    private struct Slot {
        var file: any DiskFile
        var usedAt: UInt64
    }
    private struct State {
        var slots: [UInt64: Slot] = [:]
        var uses: UInt64 = 0
    }

    let disk: any Disk
    private let capacity: Int
    private let state = Mutex(State())
    private let keys = Atomic<UInt64>(0)

    package init(disk: any Disk, capacity: Int = 256) {
        self.disk = disk
        self.capacity = max(1, capacity)
    }

    package var openCount: Int { state.withLock { $0.slots.count } }

    /// `count` keys in a row that nobody else has. A key stands for one file for as long as the process runs.
    func makeKeys(_ count: UInt64) -> UInt64 {
        keys.wrappingAdd(count, ordering: .relaxed).oldValue
    }

    /// The open file of `key`, opened now by `path()` if it is not open.
    ///
    /// - Parameter isCurrent: asked after opening whether the path stands for the file of this key still; if not, the
    ///   file is `.notFound`.
    func file(
        _ key: UInt64, isCurrent: () -> Bool = { true }, path: () -> String
    ) throws(DiskError) -> any DiskFile {
        let open = state.withLock { state -> (any DiskFile)? in
            state.uses += 1
            guard state.slots[key] != nil else { return nil }
            state.slots[key]?.usedAt = state.uses
            return state.slots[key]?.file
        }
        if let open { return open }
        let file = try disk.open(path(), create: false)
        guard isCurrent() else {
            throw DiskError(code: .notFound, operation: "open", path: file.path, reason: "it was replaced")
        }
        // The dropped handle is closed outside the lock.
        let dropped = state.withLock { state -> (any DiskFile)? in
            var dropped: (any DiskFile)?
            if state.slots.count >= capacity, state.slots[key] == nil,
                let oldest = state.slots.min(by: { $0.value.usedAt < $1.value.usedAt })?.key
            {
                dropped = state.slots.removeValue(forKey: oldest)?.file
            }
            state.slots[key] = Slot(file: file, usedAt: state.uses)
            return dropped
        }
        _ = dropped
        return file
    }

    /// Lets go of the handles of files that are removed.
    func forget(_ forgotten: some Sequence<UInt64>) {
        let dropped = state.withLock { state in forgotten.compactMap { state.slots.removeValue(forKey: $0)?.file } }
        _ = dropped
    }
}
