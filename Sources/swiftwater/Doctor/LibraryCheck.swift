import Glibc
import JSONFormat

/// The C libraries that this process runs with. They are asked through the dynamic linker, so that what is told is what is
/// loaded, whatever the program was built with.
enum LibraryCheck {
    private enum Asked: Sendable {
        case text(String)
        /// An integer and how it is read.
        case number(String, @Sendable (Int32) -> String)
        /// A function that writes a text of its own choice into a buffer.
        case written(String, what: UInt32)
        /// Only the name of the file tells.
        case file
    }

    private static let libraries: [(name: String, file: String, asked: Asked)] = [
        ("librdkafka", "librdkafka", .text("rd_kafka_version_str")),
        ("zlib", "libz", .text("zlibVersion")),
        ("zstd", "libzstd", .text("ZSTD_versionString")),
        ("lz4", "liblz4", .text("LZ4_versionString")),
        ("snappy", "libsnappy", .file),
        ("ISA-L", "libisal", .file),
        // PCRE2_CONFIG_VERSION
        ("PCRE2", "libpcre2-8", .written("pcre2_config_8", what: 11)),
        ("libedit", "libedit", .file),
        ("MariaDB", "libmariadb", .text("mysql_get_client_info")),
        ("PostgreSQL", "libpq", .number("PQlibVersion") { "\($0 / 10_000).\($0 % 10_000)" }),
        ("SQLite", "libsqlite3", .text("sqlite3_libversion")),
        ("C library", "libc", .text("gnu_get_libc_version")),
    ]

    static var finding: Finding {
        let files = loadedFiles
        let versions = libraries.map { library in
            (library.name, version(library.asked) ?? files[library.file] ?? "unknown")
        }
        return Finding(
            "libraries", .ok, versions.map { "\($0) \($1)" }.joined(separator: ", "),
            facts: versions.map { ($0, .string($1)) })
    }

    private static func version(_ asked: Asked) -> String? {
        switch asked {
        case .text(let name):
            guard let symbol = dlsym(nil, name) else { return nil }
            typealias Function = @convention(c) () -> UnsafePointer<CChar>?
            return unsafeBitCast(symbol, to: Function.self)().map { String(cString: $0) }
        case .number(let name, let read):
            guard let symbol = dlsym(nil, name) else { return nil }
            typealias Function = @convention(c) () -> Int32
            return read(unsafeBitCast(symbol, to: Function.self)())
        case .written(let name, let what):
            guard let symbol = dlsym(nil, name) else { return nil }
            typealias Function = @convention(c) (UInt32, UnsafeMutableRawPointer?) -> Int32
            let function = unsafeBitCast(symbol, to: Function.self)
            let count = function(what, nil)
            guard 1...256 ~= count else { return nil }
            var buffer = [UInt8](repeating: 0, count: Int(count))
            guard function(what, &buffer) >= 0 else { return nil }
            // "10.42 2022-12-11"
            return String(decoding: buffer.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
        case .file: return nil
        }
    }

    /// What stands behind `.so.` in the names of the files that are mapped, by what stands before it.
    private static var loadedFiles: [String: String] {
        guard let table = try? PropertiesFile.text("/proc/self/maps") else { return [:] }
        return versions(inMaps: table)
    }

    static func versions(inMaps table: String) -> [String: String] {
        var versions: [String: String] = [:]
        for line in table.split(separator: "\n") {
            guard let slash = line.lastIndex(of: "/") else { continue }
            let name = line[line.index(after: slash)...]
            guard let mark = name.firstRange(of: ".so.") else { continue }
            versions[String(name[..<mark.lowerBound])] = String(name[mark.upperBound...])
        }
        return versions
    }
}
