#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What the system says about the memory of this process.
package enum ResidentMemory {
    /// Bytes of mapped files that are in memory now, as Linux tells it; 0 elsewhere.
    package static var fileByteCount: Int {
        #if os(Linux)
        let file = open("/proc/self/statm", O_RDONLY)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        // Size, resident and shared, each in pages.
        return withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { buffer in
            let count = read(file, buffer.baseAddress, buffer.count)
            guard count > 0 else { return 0 }
            let fields = buffer[..<count].split(separator: UInt8(ascii: " "))
            guard fields.count > 2 else { return 0 }
            return fields[2].reduce(0) { $0 &* 10 &+ Int($1 &- 48) } &* Int(getpagesize())
        }
        #else
        return 0
        #endif
    }
}
