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

    func run(_ inbox: SignalInbox, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void) async {
        let path = path
        var lastFailure: String?
        while !Task.isCancelled {
            do {
                let lines = try await onThread { try Self.takeLines(path) }
                lastFailure = nil
                for line in lines {
                    guard let signal = Self.signal(line) else {
                        log(
                            .warning,
                            "the line '\(line.prefix(200))' of signal.file '\(path)' is no signal and is passed over")
                        continue
                    }
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

    /// What the file has, which is empty afterwards. A line that is still being written stays.
    private static func takeLines(_ path: String) throws -> [String] {
        func failure(_ what: String) -> ConnectError {
            ConnectError(.connect, "\(what) signal.file '\(path)': \(String(cString: strerror(errno)))")
        }
        guard let file = fopen(path, "r+") else {
            if errno == ENOENT || errno == EISDIR { return [] }
            throw failure("cannot read")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { break }
            bytes += buffer[..<count]
            guard bytes.count <= byteCountMax else {
                throw ConnectError(
                    .connect, "signal.file '\(path)' has more than \(byteCountMax) bytes and is not read")
            }
        }
        guard !bytes.isEmpty else { return [] }
        guard ftruncate(fileno(file), 0) == 0 else { throw failure("cannot empty") }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(\.trimmingSpaces)
            .filter { !$0.isEmpty }
    }
}
