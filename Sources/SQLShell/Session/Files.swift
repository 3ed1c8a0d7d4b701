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

/// Lines of standard input as they come, from a pipe that may stay open. One reader.
package final class InputLines: Sendable {
    private struct State {
        var rest: [UInt8] = []
        var isEnded = false
    }
    private let state = Mutex(State())

    package init() {}

    /// Blocks until there are lines: those that have come as a whole, without their ends, and what is left at the end.
    ///
    /// - Returns: nil at the end.
    /// - Throws: `TextFile.Failure`, also for what is no UTF-8.
    package func next() throws(TextFile.Failure) -> [String]? {
        var taken: [UInt8] = []
        var rest = state.withLock { $0.isEnded ? nil : $0.rest }
        guard rest != nil else { return nil }
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        var isEnded = false
        while taken.isEmpty, !isEnded {
            let count = Glibc.read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw TextFile.Failure(message: String(cString: strerror(errno))) }
            let all = (rest ?? []) + chunk[..<count]
            isEnded = count == 0
            let end = isEnded ? all.count : chunk[..<count].lastIndex(of: 0x0A).map { all.count - count + $0 + 1 } ?? 0
            taken = Array(all[..<end])
            rest = Array(all[end...])
        }
        let left = rest ?? []
        state.withLock { $0 = State(rest: left, isEnded: isEnded) }
        guard let text = String(validating: taken, as: UTF8.self) else {
            throw TextFile.Failure(message: "it is no UTF-8 text")
        }
        var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
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
