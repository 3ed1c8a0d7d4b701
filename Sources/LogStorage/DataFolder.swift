package import Environment

/// Recognises what a folder is that a program is asked to keep its data in. Looks only: a folder that is refused is left
/// as it was.
///
/// `version` holds the number of the folder's layout, in decimal and on a line of its own. 1 is the only one so far; when
/// a second comes, this is where the first is migrated or refused.
package enum DataFolder {
    static let version = 1
    private static let versionByteCountMax: Int64 = 64

    package enum Content: Equatable, Sendable {
        /// Missing, or empty but for what file systems and the start of a first run leave.
        case new
        /// Has our parts but no version: a first run ended before it wrote one.
        case unversioned
        case current
    }

    /// - Throws: `.unsupportedVersion` for what is not ours or not of this version, with what to do about it; `.io` when
    ///   the disk refuses.
    package static func content(of directory: String, on disk: any Disk) throws(LogError) -> Content {
        guard disk.exists(directory) else { return .new }
        if let found = try recordedVersion(in: directory, on: disk) {
            guard found == version else { throw refusal(of: found, directory) }
            return .current
        }
        let names = try attempt("list data folder '\(directory)'") { () throws(DiskError) in
            try disk.list(directory)
        }
        let strangers = names.filter { !isOurs($0) && !isHarmless($0) }.sorted()
        guard strangers.isEmpty else {
            if names.contains("meta"), names.contains("topics") {
                throw LogError(
                    .unsupportedVersion,
                    "the file 'version' is missing in '\(directory)', which holds data ('meta' and 'topics'): restore it "
                        + "from a backup, or, if this program was the last to use the folder, make it with the one line "
                        + "'\(version)'")
            }
            let some = strangers.prefix(3).map { "'\($0)'" }.joined(separator: ", ")
            let more = strangers.count > 3 ? " and \(strangers.count - 3) more" : ""
            throw LogError(
                .unsupportedVersion,
                "folder '\(directory)' holds \(some)\(more) and no data of this program"
                    + (strangers.contains("meta.properties") ? ": it looks like the log folder of a Kafka broker" : "")
                    + "; name an empty or a new folder")
        }
        return names.contains(where: isOurs) ? .unversioned : .new
    }

    /// The last one is the broker's, beside the users.
    private static func isOurs(_ name: String) -> Bool {
        ["topics", "meta", "snapshots", "made-up-users"].contains(name)
    }

    /// The lock, an unfinished version file, what mkfs makes, and hidden files such as `.gitkeep`.
    private static func isHarmless(_ name: String) -> Bool {
        ["lock", "version.tmp", "lost+found"].contains(name) || name.hasPrefix(".")
    }

    private static func refusal(of found: Int, _ directory: String) -> LogError {
        LogError(
            .unsupportedVersion,
            found > version
                ? "data folder '\(directory)' has version \(found), made by a newer program; this program supports "
                    + "version \(version): start it with the program that made it, or name another folder"
                : "data folder '\(directory)' has version \(found), which never was; this program supports version "
                    + "\(version): restore the folder, or name another")
    }

    /// nil when there is no version file.
    private static func recordedVersion(in directory: String, on disk: any Disk) throws(LogError) -> Int? {
        let path = directory + "/version"
        guard disk.exists(path) else { return nil }
        if (try? disk.list(path)) != nil {  // it fails for a file, as it should be
            throw LogError(
                .unsupportedVersion, "'\(path)' is a folder where a file with the layout's number should be")
        }
        let bytes = try attempt("read '\(path)'") { () throws(DiskError) -> [UInt8] in
            let file = try disk.open(path, create: false)
            return try file.read(at: 0, count: Int(min(versionByteCountMax, max(0, file.byteCount()))))
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let line = text.split(separator: "\n", omittingEmptySubsequences: false).first.map(String.init) ?? ""
        let digits = line.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        guard digits, !line.isEmpty, line.utf8.count < 10, let number = Int(line) else {
            throw LogError(
                .unsupportedVersion,
                "'\(path)' holds \(quoted(text)) instead of the layout's number; this program supports version "
                    + "\(version): if the folder is one of this program's, restore the file, else name another folder")
        }
        return number
    }

    /// At most 20 characters, none of which a terminal takes for a command.
    private static func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(20).map { 0x20...0x7E ~= $0.value ? String($0) : "?" }.joined()
        return text.isEmpty ? "nothing" : "'\(shown)\(text.unicodeScalars.count > 20 ? "..." : "")'"
    }
}
