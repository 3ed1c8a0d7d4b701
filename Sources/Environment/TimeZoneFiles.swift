import Glibc

/// The rules of the time zones that came with the operating system (package tzdata).
package enum TimeZoneFiles {
    private static let folders = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"]
    /// The largest of these files has 4 KiB.
    private static let byteCountMax = 256 << 10

    /// The TZif file of a region such as "Europe/Paris"; nil when there is none.
    package static func read(_ region: String) -> [UInt8]? {
        // The name becomes a path: nothing in it may lead out of the folder.
        guard !region.isEmpty, !region.hasPrefix("/"), !region.utf8.contains(0),
            !region.split(separator: "/", omittingEmptySubsequences: false).contains(where: { $0.isEmpty || $0 == ".." }
            )
        else { return nil }
        for folder in folders {
            if let bytes = contents(of: "\(folder)/\(region)") { return bytes }
        }
        return nil
    }

    private static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "rbe") else { return nil }
        defer { fclose(file) }
        var status = stat()
        guard fstat(fileno(file), &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 8192)
        while bytes.count <= byteCountMax {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return ferror(file) == 0 ? bytes : nil }
            bytes += buffer[..<count]
        }
        return nil
    }
}
