/// The console's scripts in few files: a browser that has none of them yet would ask for thirty, one by one.
///
/// `main.js` holds what the frame needs and what more than one page needs, the script of a page what only that page needs.
/// Each script stays a scope of its own and runs once. They are written so that this needs no parser: an import and the
/// beginning of what is exported stand in one line, at its beginning; exports do not change; imports form no circle.
struct ScriptBundles: Sendable {
    /// The texts by path: of `main.js` and of each script that is loaded on demand.
    let files: [String: String]

    /// nil when a script is not written so: then they are sent one by one.
    init?(_ graph: ModuleGraph) {
        var closures: [String: [String]] = [:]
        var waiting = [ModuleGraph.main]
        while let next = waiting.popLast() {
            guard closures[next] == nil else { continue }
            let closure = graph.closure(of: next)
            closures[next] = closure
            for script in closure { waiting += graph.later(script) }
        }
        guard var common = closures.removeValue(forKey: ModuleGraph.main), common.popLast() == ModuleGraph.main else {
            return nil
        }
        var users: [String: Int] = [:]
        for script in closures.values.joined() { users[script, default: 0] += 1 }
        var isCommon = Set(common)
        for (_, closure) in closures.sorted(by: { $0.key < $1.key }) {
            for script in closure where users[script, default: 0] > 1 && isCommon.insert(script).inserted {
                common.append(script)
            }
        }
        // It starts the console, so all it may need stands before it.
        common.append(ModuleGraph.main)
        isCommon.insert(ModuleGraph.main)

        var files: [String: String] = [:]
        guard var main = Self.text(common, of: ModuleGraph.main, graph) else { return nil }
        main += "export { \(common.map(Self.name).joined(separator: ", ")) };\n"
        files[ModuleGraph.main] = main
        for (root, closure) in closures {
            guard let exported = graph.text(root).flatMap({ Module($0, at: root, in: root)?.exported }),
                let own = Self.text(closure.filter { !isCommon.contains($0) }, of: root, graph)
            else { return nil }
            let taken = closure.filter(isCommon.contains).map(Self.name).joined(separator: ", ")
            files[root] =
                "import { \(taken) } from \"\(Self.relative(ModuleGraph.main, from: root))\";\n" + own
                + exported.map { name, _ in
                    "export \(name == "default" ? "default" : "const \(name) =") \(Self.name(root)).\(name);\n"
                }.joined()
        }
        self.files = files
    }

    /// Scripts one behind the other, for the file at `path`.
    private static func text(_ scripts: [String], of path: String, _ graph: ModuleGraph) -> String? {
        var result = ""
        for script in scripts {
            guard let module = graph.text(script).flatMap({ Module($0, at: script, in: path) }) else { return nil }
            let exported = module.exported.map { $0 == $1 ? $0 : "\($0): \($1)" }.joined(separator: ", ")
            result += "const \(name(script)) = (() => {\n\(module.text)return { \(exported) };\n})();\n"
        }
        return result
    }

    /// `$ui_table` for `assets/js/ui/table.js`: the same in every version, as a page that was opened before an upgrade may
    /// load the script of another page after it.
    fileprivate static func name(_ path: String) -> String {
        "$" + String(path.dropFirst(ModuleGraph.root.count).dropLast(3).map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }

    /// `../main.js` for a file in a folder beside it.
    fileprivate static func relative(_ path: String, from file: String) -> String {
        let depth = file.dropFirst(ModuleGraph.root.count).split(separator: "/").count - 1
        return (depth == 0 ? "./" : String(repeating: "../", count: depth)) + path.dropFirst(ModuleGraph.root.count)
    }

    /// A script as the body of a function.
    struct Module {
        private(set) var text = ""
        /// Names for others with names inside.
        private(set) var exported: [(name: String, inner: String)] = []

        /// - Parameters:
        ///   - path: where the script is.
        ///   - file: where its text will be.
        init?(_ script: String, at path: String, in file: String) {
            for line in ModuleGraph.lines(of: script) {
                if line.utf8.starts(with: "import ".utf8) {
                    guard let found = ModuleGraph.Import(line, in: path) else { return nil }
                    text += "const \(found.names) = \(ScriptBundles.name(found.path));\n"
                } else if line.utf8.starts(with: "export ".utf8) {
                    guard add(line.dropFirst("export ".count)) else { return nil }
                } else {
                    text += line
                    text += "\n"
                }
            }
            for relative in Set(ModuleGraph.later(script)) {
                guard let other = ModuleGraph.resolve(relative, from: path) else { return nil }
                text = text.replacing(
                    "import(\"\(relative)\"", with: "import(\"\(ScriptBundles.relative(other, from: file))\"")
            }
        }

        /// `function a() {`, `const a = 1;`, `class A {`, `default async function a() {`, without the word before them.
        private mutating func add(_ line: Substring) -> Bool {
            let isDefault = line.hasPrefix("default ")
            let declaration = isDefault ? line.dropFirst("default ".count) : line
            var words = declaration.split(separator: " ", maxSplits: 3)[...]
            if words.first == "async" { words.removeFirst() }
            guard let kind = words.popFirst(), ["function", "const", "class"].contains(kind), let word = words.first
            else { return false }
            let name = word.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "$" }
            guard !name.isEmpty else { return false }
            exported.append((isDefault ? "default" : String(name), String(name)))
            text += declaration
            text += "\n"
            return true
        }
    }
}
