import Glibc
import Synchronization

/// Whole text files.
package enum TextFile {
    package struct Failure: Error { package var message: String }
    private static let byteCountMax = 64 << 20

    package static func read(_ path: String) throws(Failure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(message: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw Failure(message: String(cString: strerror(errno)))
            }
            bytes += chunk[..<count]
            guard bytes.count <= byteCountMax else { throw Failure(message: "the file is larger than 64 MiB") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(message: "the file is no UTF-8 text")
        }
        return text
    }
}

/// The file that SPOOL prints to.
final class Spool: Sendable {
    private let descriptor = Mutex<Int32>(-1)

    deinit { descriptor.withLock { if $0 >= 0 { _ = close($0) } } }

    /// - Parameter path: nil ends spooling.
    func open(_ path: String?) throws(ShellFailure) {
        var opened: Int32 = -1
        if let path {
            opened = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard opened >= 0 else { throw ShellFailure("\(path): \(String(cString: strerror(errno)))") }
        }
        let next = opened
        descriptor.withLock {
            if $0 >= 0 { _ = close($0) }
            $0 = next
        }
    }

    func write(_ text: String) throws(ShellFailure) {
        let failure: Int32? = descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return nil }
            var bytes = Array(text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return errno }
                bytes = bytes.dropFirst(count)
            }
            return nil
        }
        if let failure { throw ShellFailure("cannot write to the spool file: \(String(cString: strerror(failure)))") }
    }
}
