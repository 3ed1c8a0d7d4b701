import Environment
import Glibc
package import Logging
package import Security
import Synchronization

/// The users of HTTP ports, in a file that is read again when it has changed. The form is that of Jetty's
/// `PropertyFileLoginModule`, which the original's servers use:
///
///     # name: password[,role ...]
///     ann: PBKDF2:600000:...:...,admin
///     bob: secret
///
/// `=` may stand for the colon, as in Kafka Connect's file of the same kind. A password with a comma is written as a hash.
package final class UserFile: PasswordCheck, Sendable {
    package struct Malformed: Error, CustomStringConvertible {
        package var description: String
    }

    private struct User {
        var password: StoredPassword
        var roles: Set<String>
    }

    private struct Contents {
        var users: [String: User] = [:]
        /// Of the slowest password that there is: each try takes as long.
        var iterations = 0
        var stamp: [Int64] = []
        var version = 0
    }

    package let path: String
    private let contents: Mutex<Contents>
    private let logger: Logger
    private static let byteCountMax = 4 << 20
    private static let noSalt = [UInt8](repeating: 0, count: 32)
    private static let userCountMax = 100_000

    /// - Throws: `Malformed` with the file's name and the line.
    package init(_ path: String, logger: Logger) throws(Malformed) {
        self.path = path
        self.logger = logger
        let stamp = Self.stamp(path)
        var contents = try Self.parse(try Self.text(path), path)
        contents.stamp = stamp
        self.contents = Mutex(contents)
        warnOfPermissions()
    }

    /// Reads the file if it has changed; one that cannot be read leaves the users as they are. Not on an event loop.
    ///
    /// - Returns: a number that is another one when the users are others.
    package func refresh() -> Int {
        let stamp = Self.stamp(path)
        let known = contents.withLock { ($0.stamp, $0.version) }
        guard stamp != known.0 else { return known.1 }
        do throws(Malformed) {
            var read = try Self.parse(try Self.text(path), path)
            let users = read.users.count
            let version = contents.withLock { contents in
                read.version = contents.version + 1
                read.stamp = stamp
                contents = read
                return read.version
            }
            logger.notice("read the users again", metadata: ["file": "\(path)", "users": "\(users)"])
            warnOfPermissions()
            return version
        } catch {
            contents.withLock { $0.stamp = stamp }
            logger.error(
                "the file of users has changed and cannot be used: those from before stay",
                metadata: ["error": "\(error)"])
            return known.1
        }
    }

    package func principal(user: String, password: String) -> Principal? {
        let (found, iterations) = contents.withLock { ($0.users[user], $0.iterations) }
        let isRight = found?.password.matches(password) ?? false
        // What a try lacks to the slowest is made up for, so that the time tells no user from another, nor from none.
        let missing = iterations - (found?.password.iterations ?? 0)
        if missing > 0 { _ = StoredPassword.derive(Array(password.utf8), salt: Self.noSalt, iterations: missing) }
        return isRight ? Principal(name: user) : nil
    }

    /// Empty for users that there are not.
    package func roles(of user: String) -> Set<String> { contents.withLock { $0.users[user]?.roles ?? [] } }

    // MARK: The file

    private static func stamp(_ path: String) -> [Int64] {
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        return [
            Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec), Int64(status.st_size),
            Int64(bitPattern: UInt64(status.st_ino)),
        ]
    }

    private func warnOfPermissions() {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & 0o077 != 0 else { return }
        logger.warning(
            "the file of users can be read by others than its owner: chmod 600 keeps passwords from them",
            metadata: ["file": "\(path)", "mode": "\(String(status.st_mode & 0o777, radix: 8))"])
    }

    private static func text(_ path: String) throws(Malformed) -> String {
        let bytes: [UInt8]
        do throws(DiskError) { bytes = try StreamFile.contents(path, byteCountMax: byteCountMax) } catch {
            throw Malformed(description: "'\(path)' cannot be read: \(error.reason)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Malformed(description: "'\(path)' is no UTF-8")
        }
        return text
    }

    private static func parse(_ text: String, _ path: String) throws(Malformed) -> Contents {
        var contents = Contents()
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (index, line) in lines.enumerated() {
            let line = trimmed(line)
            guard let first = line.first, first != "#", first != "!" else { continue }
            func malformed(_ words: String) -> Malformed {
                Malformed(description: "'\(path)', line \(index + 1): \(words)")
            }
            guard let end = line.firstIndex(where: { $0 == ":" || $0 == "=" }) else {
                throw malformed("a user is written as NAME: PASSWORD[,ROLE ...]")
            }
            let name = String(trimmed(line[..<end]))
            let parts = line[line.index(after: end)...].split(separator: ",", omittingEmptySubsequences: false)
                .map { String(trimmed($0)) }
            guard !name.isEmpty, let password = parts.first, !password.isEmpty else {
                throw malformed("a user is written as NAME: PASSWORD[,ROLE ...]")
            }
            guard name != ProcessCredentials.user, name != NodeCredentials.user else {
                throw malformed("the name \(name) is the program's own")
            }
            let stored: StoredPassword
            do throws(StoredPassword.Malformed) { stored = try StoredPassword(password) } catch {
                throw malformed(error.description)
            }
            let user = User(password: stored, roles: Set(parts.dropFirst().filter { !$0.isEmpty }))
            guard contents.users.updateValue(user, forKey: name) == nil else {
                throw malformed("the user \(name) is there twice")
            }
            guard contents.users.count <= userCountMax else { throw malformed("more than \(userCountMax) users") }
            contents.iterations = max(contents.iterations, stored.iterations)
        }
        guard !contents.users.isEmpty else { throw Malformed(description: "'\(path)' has no users") }
        return contents
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
