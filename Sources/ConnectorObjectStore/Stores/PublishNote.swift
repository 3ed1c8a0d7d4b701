import ConnectCore
import JSONFormat

/// What is about to become visible for one partition of a topic: files and their names, and the offsets of the records in
/// them. It stands in a file of its own until the offsets are known to be committed.
struct PublishNote: Sendable {
    var objects: [(from: String, to: String)]
    var offsets: Range<Int64>

    init(objects: [(from: String, to: String)], offsets: Range<Int64>) {
        self.objects = objects
        self.offsets = offsets
    }

    var bytes: [UInt8] {
        JSONValue.object([
            ("version", .number(1)), ("from", .number(offsets.lowerBound)), ("to", .number(offsets.upperBound)),
            (
                "files",
                .array(objects.map { .object([("written", .string($0.from)), ("name", .string($0.to))]) })
            ),
        ]).bytes
    }

    /// - Throws: `.connect` for a file that is none.
    init(_ bytes: [UInt8], _ path: String) throws(ConnectError) {
        func failure(_ reason: String) -> ConnectError {
            ConnectError(
                .connect,
                "'\(path)' tells which files are to be renamed and \(reason): rename them by hand and delete it")
        }
        guard let json = JSONValue.parse(bytes) else { throw failure("is no JSON") }
        guard json["version"]?.integer == 1 else { throw failure("is of another version") }
        guard let from = json["from"]?.integer, let to = json["to"]?.integer, from <= to,
            let files = json["files"]?.elements
        else { throw failure("is not complete") }
        var objects: [(from: String, to: String)] = []
        for file in files {
            guard let written = file["written"]?.text, let name = file["name"]?.text else {
                throw failure("is not complete")
            }
            objects.append((written, name))
        }
        self.init(objects: objects, offsets: from..<to)
    }
}
