import Glibc
import SQLTesting

/// The files that `swiftwater test` reads and writes.
enum TestFiles {
    /// A file with tests, or a folder that is one.
    struct Entry {
        var path: String
        var isFolder: Bool

        /// - Throws: `CaseFileError` when the contents are no tests.
        func suite() throws -> TestSuite {
            guard isFolder else { return try TestSuite(file: path, text: try PropertiesFile.text(path)) }
            func optional(_ name: String) throws -> String? {
                TestFiles.kind(of: "\(path)/\(name)") == nil ? nil : try PropertiesFile.text("\(path)/\(name)")
            }
            return .threeFiles(
                ThreeFileCase(
                    name: path.split(separator: "/").last.map(String.init) ?? path,
                    statements: try PropertiesFile.text("\(path)/statements.sql"), input: try optional("input.json"),
                    output: try PropertiesFile.text("\(path)/output.json"), expectation: try optional("expect.json")))
        }

        /// The text of a script that this one runs: found from its own folder, or from where the command runs.
        func script(_ name: String) -> String? {
            let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
            for candidate in [name.hasPrefix("/") ? name : folder + name, name]
            where TestFiles.kind(of: candidate) != nil {
                if let text = try? PropertiesFile.text(candidate) { return text }  // the statement says that it fails
            }
            return nil
        }
    }

    private enum Kind { case file, folder }
    /// Folders below each other.
    private static let depthMax = 32

    private static func kind(of path: String) -> Kind? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
    }

    /// The tests below the paths given, in the order given; those in folders by their names.
    static func find(_ paths: [String]) throws -> [Entry] {
        var entries: [Entry] = []
        for path in paths {
            switch kind(of: path) {
            case nil: throw CommandFailure("there is no file or folder '\(path)'")
            case .file?: entries.append(Entry(path: path, isFolder: false))
            case .folder?:
                try collect(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path, &entries, 0)
            }
        }
        return entries
    }

    private static func collect(_ folder: String, _ entries: inout [Entry], _ depth: Int) throws {
        guard depth < depthMax else { throw CommandFailure("folders below '\(folder)' are nested too deep") }
        let names = try names(in: folder)
        if names.contains("statements.sql") && names.contains("output.json") {
            entries.append(Entry(path: folder, isFolder: true))
            return
        }
        for name in names where !name.hasPrefix(".") {
            let path = "\(folder)/\(name)"
            switch kind(of: path) {
            case .folder?: try collect(path, &entries, depth + 1)
            case .file? where name.hasSuffix(".sql") || name.hasSuffix(".json") && name != "INDEX.json":
                entries.append(Entry(path: path, isFolder: false))
            default: break
            }
        }
    }

    private static func names(in folder: String) throws -> [String] {
        guard let directory = opendir(folder) else {
            throw CommandFailure("cannot read \(folder): \(String(cString: strerror(errno)))")
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw CommandFailure("cannot write \(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var at = 0
        while at < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.map { Glibc.write(descriptor, $0 + at, bytes.count - at) } ?? 0
            }
            if count > 0 {
                at += count
            } else if errno != EINTR {
                throw CommandFailure("cannot write \(path): \(String(cString: strerror(errno)))")
            }
        }
    }
}
