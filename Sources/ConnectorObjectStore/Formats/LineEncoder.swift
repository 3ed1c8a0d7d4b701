import Bytes
import Compression
import ConnectCore
import JSONFormat

/// Values with a separator behind each: JSON, one per line, or bytes as they are.
struct LineEncoder: ObjectEncoder {
    enum Content: Sendable {
        case json(decimalsAsNumbers: Bool)
        case bytes
        /// Strings, and bytes as they are.
        case text
    }

    private let json: JSONConverter?
    private let isText: Bool
    private let separator: [UInt8]
    private let gzip: GzipStream?
    private var lines: [UInt8] = []
    private var output: [UInt8] = []
    private static let lineByteCountMax = 256 << 10

    init(_ content: Content, _ separator: [UInt8], _ gzipLevel: Int?) throws(ConnectError) {
        switch content {
        case .json(let decimalsAsNumbers):
            var options = JSONConverter.Options()
            options.hasSchemas = false
            options.writesDecimalsAsNumbers = decimalsAsNumbers
            json = JSONConverter(options)
            isText = false
        case .bytes, .text:
            json = nil
            isText = if case .text = content { true } else { false }
        }
        self.separator = separator
        do throws(WireError) {
            gzip = if let gzipLevel { try GzipStream(level: gzipLevel) } else { nil }
        } catch {
            throw ConnectError(.connect, "\(error)")
        }
    }

    var byteCount: Int { lines.count + output.count }

    mutating func append(_ value: SchemaAndValue, topic: String) throws(ConnectError) {
        let bytes: [UInt8]
        if let json {
            bytes = try json.json(value).bytes
        } else if isText, value.value.bytes == nil {
            bytes = try StringConverter().bytes(value, topic: topic) ?? []
        } else {
            bytes = try ByteArrayConverter().bytes(value, topic: topic) ?? []
        }
        lines += bytes
        lines += separator
        if lines.count >= Self.lineByteCountMax { try compress(isLast: false) }
    }

    private mutating func compress(isLast: Bool) throws(ConnectError) {
        guard let gzip else {
            output += lines
            return lines.removeAll(keepingCapacity: true)
        }
        // Locals, as the two must not be reached through one value at once.
        let given = lines
        var ready = output
        output = []
        do throws(WireError) { try gzip.append(given.span.bytes, isLast: isLast, to: &ready) } catch {
            throw ConnectError(.connect, "\(error)")
        }
        output = ready
        lines.removeAll(keepingCapacity: true)
    }

    mutating func take() throws(ConnectError) -> [UInt8] {
        try compress(isLast: false)
        defer { output = [] }
        return output
    }

    mutating func finish() throws(ConnectError) -> [UInt8] {
        try compress(isLast: true)
        defer { output = [] }
        return output
    }
}
