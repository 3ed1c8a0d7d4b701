import Glibc

/// Code that only the start has run need not stay in the memory of a process that then idles.
enum StartupCode {
    private static let chunkByteCount = 1 << 16

    /// Lets go of the pages of the program's and its libraries' code. They are unchanged copies of files: what is run again
    /// comes back from the page cache, some pages at a time, so a busy process soon has all of its own.
    ///
    /// Only mappings that are executable and not writable are meant, which nothing has written to; data, relocated tables
    /// among them, would be lost. Linux alone has `/proc/self/maps`; elsewhere nothing happens.
    static func release() {
        for (start, end) in mappings(in: text()) {
            guard let address = UnsafeMutableRawPointer(bitPattern: start) else { continue }
            madvise(address, Int(end - start), MADV_DONTNEED)
        }
    }

    /// The executable mappings of files, of lines such as `55d0c0000000-55d0c1000000 r-xp 00000000 fe:00 123 /path`.
    static func mappings(in text: String) -> [(start: UInt, end: UInt)] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard fields.count == 6, fields[1] == "r-xp", fields[5].first(where: { $0 != " " }) == "/" else {
                return nil
            }
            let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, ends[0] < ends[1] else { return nil }
            return (ends[0], ends[1])
        }
    }

    private static func text() -> String {
        let file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: chunkByteCount)
        while true {
            let count = read(file, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
