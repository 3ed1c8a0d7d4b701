/// A file with its imports, all names resolved: what messages are decoded and encoded by.
///
/// Messages and enums refer to each other by their place in `messages` and `enums`. Immutable after it is linked.
package struct ProtobufSchema: Sendable {
    package internal(set) var messages: [MessageDescriptor] = []
    package internal(set) var enums: [EnumDescriptor] = []
    package let file: ProtoFile
    /// The files that came in, by the path they are imported by.
    package let imports: [String: ProtoFile]
    /// Parallel to `messages`.
    private(set) var plans: [MessagePlan] = []
    var messageIndexes: [String: Int] = [:]
    private var pathIndexes: [[Int32]: Int] = [:]

    /// Links a file.
    ///
    /// - Parameter imports: files by the path they are imported by; those that come with Protocol Buffers or the
    ///   registry need not be given (see `BuiltInFiles`), nor imported. An import that is not there matters when a type
    ///   of it is named. Types of all given files can be named, imported directly or not.
    /// - Throws: `.unresolved` for a type that nobody defines, `.invalid` for what breaks a rule of the language: a
    ///   name or number that is there twice, a number that fields cannot have, files that import each other in a
    ///   circle.
    package init(file: ProtoFile, imports: [String: ProtoFile] = [:]) throws(ProtobufError) {
        try self.init(file: file, imports: imports, including: [])
    }

    /// - Parameter including: built-in files that are linked although nobody imports them.
    init(file: ProtoFile, imports: [String: ProtoFile], including: [String]) throws(ProtobufError) {
        self.file = file
        let closure = try ImportClosure(file: file, imports: imports, including: including)
        self.imports = closure.files
        var linker = Linker(file: file, closure: closure)
        try linker.link()
        messages = linker.messages
        enums = linker.enums
        plans = messages.map { MessagePlan($0, linker.enums) }
        messageIndexes = linker.messageIndexes
        for (index, message) in messages.enumerated() where message.file.isEmpty {
            if let path = message.path { pathIndexes[path] = index }
        }
    }

    /// The place in `messages` of the message with this full name.
    package func messageIndex(named fullName: String) -> Int? { messageIndexes[fullName] }

    /// The place in `messages` of the message that a message index names, see `MessageIndexes`.
    package func messageIndex(at path: [Int32]) -> Int? { pathIndexes[path] }

    /// The place of the file's first message; nil when it has none.
    package var mainMessageIndex: Int? { pathIndexes[[0]] }
}

/// All files that a file needs, once each, what is imported before what imports it.
struct ImportClosure {
    private(set) var files: [String: ProtoFile] = [:]
    private(set) var order: [String] = []
    private var state: [String: Bool] = [:]  // false: being visited

    init(
        file: ProtoFile, imports: [String: ProtoFile], including: [String] = []
    ) throws(ProtobufError) {
        try add(including + file.allImports + imports.keys.sorted(), imports)
        // The original has the built-in files at hand for every schema: their types need no import.
        try add(builtInFiles(namedIn: file), imports)
    }

    private mutating func add(_ paths: [String], _ imports: [String: ProtoFile]) throws(ProtobufError) {
        // Not recursive: a chain of imports may be long.
        var stack: [(path: String, isDone: Bool)] = []
        for path in paths.reversed() { stack.append((path, false)) }
        while let (path, isDone) = stack.popLast() {
            if isDone {
                state[path] = true
                order.append(path)
                continue
            }
            if let isVisited = state[path] {
                guard isVisited else {
                    throw ProtobufError(.invalid, "\"\(path)\" imports itself, directly or by others")
                }
                continue
            }
            var known = imports[path]
            if known == nil { known = try BuiltInFiles.file(path) }
            guard let found = known else { continue }
            files[path] = found
            state[path] = false
            stack.append((path, true))
            for next in found.allImports.reversed() { stack.append((next, false)) }
        }
    }

    /// Built-in files whose types are named, directly or by others, though nobody imports them.
    private func builtInFiles(namedIn file: ProtoFile) throws(ProtobufError) -> [String] {
        var wanted: [(name: String, scope: [String], path: String)] = []
        let others = files.filter { !BuiltInFiles.contains($0.key) }.values
        for source in [file] + others {
            try source.forEachTypeName { name, scope, _ in
                guard let path = BuiltInFiles.path(ofType: name, in: scope), files[path] == nil else { return }
                wanted.append((name, scope, path))
            }
        }
        guard !wanted.isEmpty else { return [] }
        let known = TypeNames(file: file, imports: files.values)
        return Set(wanted.filter { known.resolve($0.name, in: $0.scope) == nil }.map(\.path)).sorted()
    }
}

extension ProtobufSchema {
    /// The files that a file needs, directly or by others: those given, and the built-in ones.
    ///
    /// - Throws: `.invalid` when files import each other in a circle.
    package static func files(
        neededBy file: ProtoFile, imports: [String: ProtoFile]
    ) throws(ProtobufError) -> [String: ProtoFile] {
        try ImportClosure(file: file, imports: imports).files
    }
}
