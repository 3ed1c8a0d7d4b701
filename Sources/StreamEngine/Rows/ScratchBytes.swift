#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Bytes that are written again and again: keys and rows on their way into state.
package final class ScratchBytes {
    private var start: UnsafeMutableRawPointer
    private var capacity: Int
    /// Of the class alone, so that the compiler sees every access and none is checked at run time.
    private var used = 0

    @inline(__always)
    package var count: Int { used }

    package init() {
        capacity = 256
        start = .allocate(byteCount: 256, alignment: 16)
    }

    deinit { start.deallocate() }

    /// Valid until the next change.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: used) }

    /// As `bytes`, for changing them.
    var mutableBytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: start, count: used) }

    @inline(__always)
    package func clear() { used = 0 }

    @inline(__always)
    func truncate(to count: Int) { used = count }

    @inline(__always)
    private func room(_ more: Int) {
        if used &+ more > capacity { grow(more) }
    }

    private func grow(_ more: Int) {
        let larger = max(2 * capacity, used + more)
        let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        new.copyMemory(from: start, byteCount: used)
        start.deallocate()
        start = new
        capacity = larger
    }

    @inline(__always)
    package func append<Element: BitwiseCopyable>(_ value: Element) {
        room(MemoryLayout<Element>.size)
        (start + used).storeBytes(of: value, as: Element.self)
        used &+= MemoryLayout<Element>.size
    }

    @inline(__always)
    package func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        room(bytes.count)
        memcpy(start + used, source, bytes.count)
        used &+= bytes.count
    }

    @inline(__always)
    func appendLength(_ value: Int) {
        var left = UInt(bitPattern: value)
        while left >= 0x80 {
            append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        append(UInt8(truncatingIfNeeded: left))
    }

    /// Changes a byte that is there.
    @inline(__always)
    func or(_ bits: UInt8, at: Int) {
        let byte = start + at
        byte.storeBytes(of: byte.load(as: UInt8.self) | bits, as: UInt8.self)
    }
}
