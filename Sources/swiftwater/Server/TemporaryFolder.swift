import Environment
import Glibc

/// A new folder for one run.
struct TemporaryFolder {
    let path: String

    /// - Throws: `CommandFailure`.
    init() throws {
        let parent = EnvironmentVariables.value("TMPDIR") ?? "/tmp"
        var template = Array((parent + "/swiftwater-XXXXXX").utf8CString)
        guard let made = mkdtemp(&template) else {
            throw CommandFailure("cannot make a folder in \(parent): \(String(cString: strerror(errno)))")
        }
        path = String(cString: made)
    }

    /// Removes the folder with everything in it.
    func remove() {
        do {
            try RealDisk().removeTree(path)
        } catch {
            Output.complain("swiftwater: cannot remove \(path): \(error)")
        }
    }
}
