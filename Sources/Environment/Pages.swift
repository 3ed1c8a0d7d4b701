import Glibc

/// Memory straight from the system: zero at first, present only where it was touched, and given back when the value ends.
///
/// For tables and buffers of megabytes, which would stay in the allocator's heap after they were freed.
package struct Pages: ~Copyable {
    package let bytes: UnsafeMutableRawBufferPointer

    /// - Returns: nil when the system has no memory.
    package init?(byteCount: Int) {
        guard let start = mmap(nil, max(1, byteCount), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else { return nil }
        bytes = UnsafeMutableRawBufferPointer(start: start, count: max(1, byteCount))
    }

    deinit { munmap(bytes.baseAddress, bytes.count) }
}
