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

    static func contains(_ path: String) -> Bool { BuiltInDeclarations.texts[path] != nil }

    /// The paths of all types by their full names, and the last parts of these names.
    private static let types: (paths: [String: String], lastNames: Set<String>) = {
        var paths: [String: String] = [:]
        var lastNames: Set<String> = []
        for path in BuiltInDeclarations.texts.keys {
            // One that could not be read would fail where it is imported.
            guard let file = (try? file(path)) ?? nil else { continue }
            for name in TypeNames(file: file, imports: []).fullNames {
                paths[name] = path
                lastNames.insert(lastPart(name))
            }
        }
        return (paths, lastNames)
    }()

    private static func lastPart(_ name: String) -> String {
        name.lastIndex(of: ".").map { String(name[name.index(after: $0)...]) } ?? name
    }

    /// The file with the type that a name means if it means a built-in one.
    ///
    /// - Parameter scope: as for `TypeNames.resolve`.
    static func path(ofType name: String, in scope: [String]) -> String? {
        guard types.lastNames.contains(lastPart(name)) else { return nil }
        return TypeNames.resolve(name, in: scope) { types.paths[$0] != nil }.flatMap { types.paths[$0] }
    }
}
