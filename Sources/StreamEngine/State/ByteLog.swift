#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Bytes that are only ever appended, in memory or in a file. One user at a time.
final class ByteLog {
    private var block: StateBlock?
    private var place: StatePlace
    private(set) var count = 0

    init(place: StatePlace) { self.place = place }

    /// Valid until the next `reserve`.
    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: block?.start, count: count) }

    var memoryByteCount: Int { block?.isInFile == true ? 0 : count }

    /// Makes room, so that `append` of as many bytes cannot fail.
    func reserve(_ more: Int) throws(EngineError) {
        guard let block else {
            self.block = try StateBlock(capacity: max(256, more), place: place)
            return
        }
        guard count + more > block.capacity else { return }
        try block.grow(to: max(block.capacity / 2 * 3, count + more))
    }

    /// Appends a number within what was reserved.
    func append<Number: BitwiseCopyable>(_ number: Number) {
        withUnsafeBytes(of: number) { append($0) }
    }

    /// Appends bytes within what was reserved.
    func append(_ more: UnsafeRawBufferPointer) {
        guard let block, let source = more.baseAddress else { return }
        precondition(count + more.count <= block.capacity, "bytes were not reserved")
        memcpy(block.start + count, source, more.count)
        count += more.count
    }

    func move(to place: StatePlace) throws(EngineError) {
        self.place = place
        try block?.move(to: place)
    }

    func releasePages() { block?.releasePages() }
}
