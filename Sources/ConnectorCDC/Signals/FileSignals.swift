internal import Cluster
internal import ConnectCore
internal import Glibc
internal import JSONFormat

/// `signal.enabled.channels=file`: each line of a file is a signal, `{"id":..,"type":..,"data":{..}}`. The file is emptied
/// when it was read.
struct FileSignals: SignalChannel {
    let path: String
    let interval: Duration
    /// A file of signals is short; what is longer is no such file.
    static let byteCountMax = 16 << 20
    /// How many looks a line without an end is waited for.
    private static let waitCountMax = 10

    func run(_ inbox: SignalInbox, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void) async {
        let path = path
        var lastFailure: String?
        var waitCount = 0
        while !Task.isCancelled {
            do {
                let waits = waitCount < Self.waitCountMax
                let taken = try await onThread { try Self.take(path, waitsForEnd: waits) }
                waitCount = taken.isUnfinished ? waitCount + 1 : 0
                lastFailure = nil
                // What they are is no business of the log's: signal.file may name another file than was meant.
                if let message = Self.passedOver(taken.wrongLines, path) { log(.warning, message) }
                for signal in taken.signals {
                    while !inbox.add(signal) {
                        // Cancelled: as with a task that is killed now.
                        do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
                    }
                }
            } catch {
                let failure = "\(error)"
                if failure != lastFailure { log(.warning, failure) }
                lastFailure = failure
            }
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    /// nil for a line that is no signal.
    static func signal(_ line: String) -> Signal? {
        guard let json = JSONValue.parse(Array(line.utf8)), json.members != nil,
            let id = Signal.text(json["id"]), let type = Signal.text(json["type"]), let data = Signal.text(json["data"])
        else { return nil }
        return Signal(id: id, type: type, data: data)
    }

    static func passedOver(_ lines: [Int], _ path: String) -> String? {
        guard !lines.isEmpty else { return nil }
        let shown = lines.prefix(10).map(String.init).joined(separator: ", ")
        let rest = lines.count > 10 ? " and \(lines.count - 10) more" : ""
        return "lines of signal.file '\(path)' are no signals and are passed over: \(shown)\(rest)"
    }

    /// What a look at the file found.
    struct Taken: Sendable {
        var signals: [Signal] = []
        /// Numbers of lines that are no signals, from 1.
        var wrongLines: [Int] = []
        /// The last line is still being written: the file is as it was.
        var isUnfinished = false
    }

    /// What the file has, which is empty afterwards, unless somebody is writing to it.
    ///
    /// - Parameter waitsForEnd: leaves the file alone when its last line has no end and is no signal yet.
    /// - Throws: `ConnectError` for a file that cannot be read and emptied, or is no file of signals.
    static func take(_ path: String, waitsForEnd: Bool) throws(ConnectError) -> Taken {
        func failure(_ what: String) -> ConnectError {
            ConnectError(.connect, "\(what) signal.file '\(path)': \(String(cString: strerror(errno)))")
        }
        // Without O_NONBLOCK a pipe's other end would be waited for.
        let descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == EISDIR { return Taken() }
            throw failure("cannot read")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ConnectError(.connect, "signal.file '\(path)' is no regular file and is not read")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("cannot read") }
            if count == 0 { break }
            bytes += buffer[..<count]
            guard bytes.count <= byteCountMax else {
                throw ConnectError(
                    .connect, "signal.file '\(path)' has more than \(byteCountMax) bytes and is not read")
            }
        }
        guard let end = bytes.last else { return Taken() }
        var taken = Taken()
        let lines = String(decoding: bytes, as: UTF8.self)
            .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(\.trimmingSpaces)
        let hasEnd = end == UInt8(ascii: "\n") || end == UInt8(ascii: "\r")
        for (index, line) in lines.enumerated() where !line.isEmpty {
            if let signal = Self.signal(line) {
                taken.signals.append(signal)
            } else if waitsForEnd, !hasEnd, index == lines.count - 1 {
                return Taken(isUnfinished: true)
            } else {
                taken.wrongLines.append(index + 1)
            }
        }
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read") }
        // The next look finds all of it.
        guard Int(status.st_size) == bytes.count else { return Taken() }
        guard ftruncate(descriptor, 0) == 0 else { throw failure("cannot empty") }
        return taken
    }
}
