import JSONFormat

/// Cuts the answer of `/query` into its pieces: a JSON array whose elements come on lines of their own, or lines of text.
struct PieceSplitter {
    private var bytes: [UInt8] = []
    private var start = 0
    private var hasEnded = false
    /// An element of the array is not longer than this; more is no answer of a SQL server.
    private static let lineByteCountMax = 256 << 20

    var isEnded: Bool { hasEnded && start == bytes.count }

    mutating func append(_ more: some Collection<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += more
    }

    mutating func end() { hasEnded = true }

    /// The next piece of what has come; nil when that is not a whole one.
    mutating func next() throws(SQLFailure) -> QueryPiece? {
        while true {
            let rest = bytes[start...]
            let line: ArraySlice<UInt8>
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                line = rest[..<end]
                start = end + 1
            } else if hasEnded {
                guard !rest.isEmpty else { return nil }
                line = rest
                start = bytes.count
            } else {
                guard rest.count <= Self.lineByteCountMax else {
                    throw SQLFailure(.notUnderstood, "the SQL server sent a line of more than 256 MiB")
                }
                return nil
            }
            if let piece = try Self.piece(line) { return piece }
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0D || byte == 0x09 }

    /// nil for what only holds elements together: brackets, and the empty lines that keep connections open.
    private static func piece(_ line: ArraySlice<UInt8>) throws(SQLFailure) -> QueryPiece? {
        var element = line.drop(while: isSpace)
        if element.first == UInt8(ascii: "[") || element.first == UInt8(ascii: ",") { element = element.dropFirst() }
        while let last = element.last, isSpace(last) { element.removeLast() }
        if element.last == UInt8(ascii: ",") { element.removeLast() }
        if element.isEmpty || element.elementsEqual("]".utf8) { return nil }
        var value = JSONValue.parse(Array(element))
        if value == nil, element.last == UInt8(ascii: "]") { value = JSONValue.parse(Array(element.dropLast())) }
        guard let value else { return .line(String(decoding: line, as: UTF8.self)) }
        if let header = value["header"] {
            return .header(queryID: header["queryId"]?.text, schema: header["schema"]?.text ?? "")
        }
        if let row = value["row"], let columns = row["columns"]?.elements {
            var isTombstone = false
            if case .bool(true)? = row["tombstone"] { isTombstone = true }
            return .row(columns, isTombstone: isTombstone)
        }
        if let message = value["finalMessage"]?.text { return .message(message) }
        let error = value["errorMessage"] ?? value
        if let message = error["message"]?.text, let code = error["error_code"]?.integer {
            throw SQLFailure(.refused(status: 200, code: Int(code)), message)
        }
        return .line(String(decoding: line, as: UTF8.self))
    }
}
