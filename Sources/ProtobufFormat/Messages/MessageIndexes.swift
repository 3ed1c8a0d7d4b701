package import Bytes

/// Which message of a schema a record holds: in front of the message, behind the schema's id.
///
/// A count and so many places, each a zig-zag varint: the place of a top-level message in its file, then of one inside
/// it, and so on. The most frequent list, only 0, is written as the single byte 0.
///
/// - SeeAlso: Confluent's "Wire format" of Schema Registry.
package enum MessageIndexes {
    /// As deep as messages are nested in a text, and more.
    private static let countMax: Int32 = 128

    /// Moves `at` past the list.
    ///
    /// - Throws: `WireError.truncated` or `.corrupt`.
    package static func decode(_ bytes: borrowing RawSpan, at: inout Int) throws(WireError) -> [Int32] {
        let count = try Varint.readInt(bytes, at: &at)
        if count == 0 { return [0] }
        guard 1...countMax ~= count else { throw .corrupt("\(count) message indexes") }
        var path: [Int32] = []
        for _ in 0..<count {
            let index = try Varint.readInt(bytes, at: &at)
            guard index >= 0 else { throw .corrupt("message index \(index)") }
            path.append(index)
        }
        return path
    }

    package static func append(_ path: [Int32], to output: inout [UInt8]) {
        if path == [0] { return output.append(0) }
        Varint.append(Int64(path.count), to: &output)
        for index in path { Varint.append(Int64(index), to: &output) }
    }
}
