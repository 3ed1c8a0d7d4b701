import Glibc
import Security

/// The secret that credentials of users whom there are not are made of, in a file of the data folder that only its owner may
/// read: it lives as long as the users do, so that asking before and after a restart does not tell who there is.
enum CredentialMaker {
    /// In the data folder.
    static let fileName = "made-up-users"

    /// Reads the secret, or makes one, durable before it is used.
    ///
    /// - Throws: `.dataDirectoryUnusable` when the file can be neither read nor made, or is not whole.
    static func secret(in folder: String) throws(BrokerError) -> [UInt8] {
        let path = folder + "/" + fileName
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw failure(path, "be read") }
            return try make(path, in: folder)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: UserDirectory.makerByteCount + 1)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw failure(path, "be read") }
        guard count == UserDirectory.makerByteCount else {
            throw BrokerError(
                .dataDirectoryUnusable,
                "'\(path)' has not the \(UserDirectory.makerByteCount) bytes that it was made with: restore it from a "
                    + "backup, or remove it, after which clients can tell once which users there are")
        }
        return Array(bytes.prefix(count))
    }

    private static func make(_ path: String, in folder: String) throws(BrokerError) -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        let bytes = (0..<UserDirectory.makerByteCount).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let temporary = path + ".tmp"
        // One that a crash has left may have other rights.
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path, "be made") }
        let isWritten = write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        let problem = errno
        close(descriptor)
        guard isWritten else {
            errno = problem
            throw failure(path, "be written")
        }
        guard rename(temporary, path) == 0 else { throw failure(path, "be made") }
        let names = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard names >= 0 else { throw failure(path, "be made durable") }
        defer { close(names) }
        guard fsync(names) == 0 else { throw failure(path, "be made durable") }
        return bytes
    }

    private static func failure(_ path: String, _ what: String) -> BrokerError {
        BrokerError(
            .dataDirectoryUnusable, "'\(path)' cannot \(what): \(String(cString: strerror(errno)))")
    }
}
