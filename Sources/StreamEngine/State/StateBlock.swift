#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Where the bytes of stores lie.
package enum StatePlace: Sendable, Hashable {
    /// In memory of the process.
    case memory
    /// In files of that folder that have no name any more, mapped into memory: the system keeps in memory what is used and
    /// writes the rest to the disk. Their contents are gone with the process; they are rebuilt from changes or a snapshot.
    ///
    /// - fileByteCountMin: smaller blocks stay in memory: a file for each of many small tables would cost more than it saves.
    case disk(folder: String, fileByteCountMin: Int = 1 << 20)
}

/// Parts of stores whose pages can be let go of by themselves.
package enum StatePages: Sendable { case records, indexes }

/// One growing block of bytes of a store, in memory or in a file.
///
/// The space of a file is reserved before it is mapped: a disk that is full is an error here, not a signal later.
final class StateBlock {
    private(set) var start: UnsafeMutableRawPointer
    /// Bytes; those that were never written are 0 only if `isZeroed` was asked for, or if the block is in a file.
    private(set) var capacity: Int
    private var place: StatePlace
    private var file: Int32 = -1

    var isInFile: Bool { file >= 0 }

    /// - Parameter isZeroed: all bytes are 0.
    init(capacity: Int, place: StatePlace, isZeroed: Bool = false) throws(EngineError) {
        self.place = place
        self.capacity = capacity
        if case .disk(let folder, let least) = place, capacity >= least {
            (file, start) = try StateBlock.newFile(folder, capacity)
            return
        }
        guard let memory = isZeroed ? calloc(capacity, 1) : malloc(capacity) else {
            throw StateBlock.noMemory(capacity)
        }
        start = memory
    }

    deinit {
        if file >= 0 {
            munmap(start, capacity)
            close(file)
        } else {
            free(start)
        }
    }

    /// Makes the block larger. It may lie elsewhere then.
    func grow(to larger: Int) throws(EngineError) {
        guard case .disk(let folder, let least) = place, larger >= least else {
            // Pages that are not touched yet cost nothing, and the system moves large blocks without copying them.
            guard let memory = realloc(start, larger) else { throw Self.noMemory(larger) }
            start = memory
            capacity = larger
            return
        }
        guard file >= 0 else { return try moveIntoFile(folder, larger) }
        let mapped = try Self.map(file, from: capacity, to: larger, folder)
        munmap(start, capacity)
        start = mapped
        capacity = larger
    }

    /// From now on the block is on disk if it is large enough.
    func move(to place: StatePlace) throws(EngineError) {
        guard file < 0 else { return }
        self.place = place
        if case .disk(let folder, let least) = place, capacity >= least { try moveIntoFile(folder, capacity) }
    }

    /// Lets go of the pages that are mapped; the system brings back those that are used again.
    func releasePages() {
        if file >= 0 { madvise(start, capacity, MADV_DONTNEED) }
    }

    /// Bytes that a pass over the block in order asks for at once.
    private static let passStep = 4 << 20

    /// For a pass over the block in order that is at `at`: asks the system for what comes next, and lets go of what is behind.
    ///
    /// - Returns: where to call it again.
    func pass(at: Int) -> Int {
        guard file >= 0 else { return .max }
        let step = Self.passStep
        let now = at / step * step
        #if os(Linux)
        if now == 0 { posix_fadvise(file, 0, off_t(step), POSIX_FADV_WILLNEED) }
        posix_fadvise(file, off_t(now + step), off_t(step), POSIX_FADV_WILLNEED)
        #endif
        if now >= step { madvise(start + (now - step), step, MADV_DONTNEED) }
        return now + step
    }

    private func moveIntoFile(_ folder: String, _ larger: Int) throws(EngineError) {
        let (file, mapped) = try Self.newFile(folder, larger)
        memcpy(mapped, start, capacity)
        free(start)
        (self.file, start, capacity) = (file, mapped, larger)
    }

    private static func newFile(
        _ folder: String, _ byteCount: Int
    ) throws(EngineError) -> (file: Int32, start: UnsafeMutableRawPointer) {
        var name = Array((folder + "/state-XXXXXX").utf8CString)
        let file = name.withUnsafeMutableBufferPointer { $0.baseAddress.map { mkstemp($0) } ?? -1 }
        guard file >= 0 else { throw failure("make a file", folder, errno) }
        unlink(name)
        do throws(EngineError) { return (file, try map(file, from: 0, to: byteCount, folder)) } catch {
            close(file)
            throw error
        }
    }

    /// Reserves the space up to `to` and maps the whole.
    private static func map(
        _ file: Int32, from: Int, to: Int, _ folder: String
    ) throws(EngineError) -> UnsafeMutableRawPointer {
        #if os(Linux)
        let code = posix_fallocate(file, off_t(from), off_t(to - from))
        guard code == 0 else { throw failure("reserve \(to - from) bytes", folder, code) }
        #else
        guard ftruncate(file, off_t(to)) == 0 else { throw failure("reserve \(to - from) bytes", folder, errno) }
        #endif
        guard let mapped = mmap(nil, to, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), mapped != MAP_FAILED else {
            throw failure("map \(to) bytes", folder, errno)
        }
        #if os(Linux)
        // Pages are used in no order. Read ahead, they would come as large folios, all of which are dirty when one byte is.
        madvise(mapped, to, MADV_RANDOM)
        #endif
        return mapped
    }

    private static func failure(_ what: String, _ folder: String, _ code: Int32) -> EngineError {
        EngineError(
            .stateLimit,
            "The state of the query cannot be kept on disk: cannot \(what) in \(folder): "
                + "\(strerror(code).map { String(cString: $0) } ?? "error \(code)"). Free space there, or set state.dir to another folder."
        )
    }

    private static func noMemory(_ bytes: Int) -> EngineError {
        EngineError(
            .stateLimit,
            "There is no memory for \(bytes) bytes of the query's state. Set state.store to 'disk', or give the process more."
        )
    }
}
