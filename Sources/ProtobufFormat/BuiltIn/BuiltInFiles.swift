import Synchronization

/// Files that can be imported without being given: those of Protocol Buffers, Google's common types and Confluent's.
///
/// They are declarations of our own with the public names and numbers, so that they can be named, linked and written as
/// descriptors; nobody gets to see their texts.
package enum BuiltInFiles {
    /// Paths that can be imported.
    package static var paths: Set<String> { Set(BuiltInDeclarations.texts.keys) }

    private static let parsed = Mutex<[String: ProtoFile]>([:])

    /// The file, read when it is first asked for; nil when this path is none of the built-in ones.
    package static func file(_ path: String) throws(ProtobufError) -> ProtoFile? {
        if let file = parsed.withLock({ $0[path] }) { return file }
        guard let text = BuiltInDeclarations.texts[path] else { return nil }
        let file = try ProtoFile(parsing: text)
        parsed.withLock { $0[path] = file }
        return file
    }
}
