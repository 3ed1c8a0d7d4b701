import Glibc

/// Values of Java properties files: `${file:/path/to/file:key}`.
///
/// - SeeAlso: upstream `FileConfigProvider`; KIP-993 for `allowed.paths`.
package struct FileConfigProvider: ConfigProvider {
    private let allowed: AllowedPaths

    /// - Parameter parameters: `allowed.paths`.
    package init(_ parameters: [String: String]) { allowed = AllowedPaths(parameters["allowed.paths"]) }

    package func values(path: String, keys: Set<String>) async throws(ConnectError) -> [String: String] {
        guard !path.isEmpty, allowed.allows(path) else { return [:] }
        return PropertiesText.parse(try ProviderFile.text(path)).filter { keys.contains($0.key) }
    }
}

/// Contents of the files of a folder: `${directory:/path/to/folder:file}`.
///
/// - SeeAlso: upstream `DirectoryConfigProvider`.
package struct DirectoryConfigProvider: ConfigProvider {
    private let allowed: AllowedPaths

    /// - Parameter parameters: `allowed.paths`.
    package init(_ parameters: [String: String]) { allowed = AllowedPaths(parameters["allowed.paths"]) }

    package func values(path: String, keys: Set<String>) async throws(ConnectError) -> [String: String] {
        guard !path.isEmpty, allowed.allows(path) else { return [:] }
        var values: [String: String] = [:]
        // A key is a name in the folder, not a way out of it.
        for key in keys where !key.contains("/") && key != ".." && key != "." && !key.isEmpty {
            guard ProviderFile.isRegular(path + "/" + key) else { continue }
            values[key] = try ProviderFile.text(path + "/" + key)
        }
        return values
    }
}

/// Variables of the process: `${env:NAME}`.
///
/// - SeeAlso: upstream `EnvVarConfigProvider`; KIP-887.
package struct EnvironmentConfigProvider: ConfigProvider {
    private let pattern: JavaRegex?

    /// - Parameter parameters: `allowlist.pattern`, for the whole name.
    package init(_ parameters: [String: String]) throws(ConnectError) {
        pattern = try parameters["allowlist.pattern"].map { text throws(ConnectError) in
            do throws(ConnectError) { return try JavaRegex(text) } catch {
                throw .config("allowlist.pattern", text, error.message)
            }
        }
    }

    package func values(path: String, keys: Set<String>) async throws(ConnectError) -> [String: String] {
        guard path.isEmpty else {
            throw .config("Path is not supported for EnvVarConfigProvider, invalid value '\(path)'")
        }
        var values: [String: String] = [:]
        for key in keys {
            if let pattern, try !pattern.matches(key) { continue }
            if let value = getenv(key) { values[key] = String(cString: value) }
        }
        return values
    }
}

/// Folders and files that a provider may read; all without a list.
private struct AllowedPaths: Sendable {
    private let paths: [String]?

    init(_ text: String?) {
        guard let text, !text.isEmpty else {
            paths = nil
            return
        }
        paths = text.split(separator: ",").map { Self.normalized(String($0).trimmed) }
    }

    func allows(_ path: String) -> Bool {
        guard let paths else { return true }
        // Links are followed first, so that one inside does not lead outside.
        let wanted = ProviderFile.realPath(path) ?? Self.normalized(path)
        return paths.contains { allowed in
            let allowed = ProviderFile.realPath(allowed) ?? allowed
            return wanted == allowed || wanted.hasPrefix(allowed.hasSuffix("/") ? allowed : allowed + "/")
        }
    }

    private static func normalized(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}

private enum ProviderFile {
    /// Configurations are small; what is larger is something else.
    private static let byteCountMax = 1 << 20

    static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    static func isRegular(_ path: String) -> Bool {
        var found = stat()
        return stat(path, &found) == 0 && found.st_mode & S_IFMT == S_IFREG
    }

    static func text(_ path: String) throws(ConnectError) -> String {
        func failure() -> ConnectError {
            .config("Could not read properties from file \(path): \(String(cString: strerror(errno)))")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(descriptor, &part, part.count)
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw failure()
            }
            bytes += part[..<count]
            guard bytes.count <= byteCountMax else {
                throw .config("Could not read properties from file \(path): it is longer than \(byteCountMax) bytes")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
