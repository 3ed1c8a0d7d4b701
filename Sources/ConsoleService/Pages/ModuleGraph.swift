/// Which scripts each page needs, read from the scripts themselves, so that a browser is told of all at once: it would else
/// find one behind the other, a round of requests for each.
struct ModuleGraph: Sendable {
    static let root = "assets/js/"
    static let routes = root + "routes.js"
    static let main = root + "main.js"

    /// The text of a file by its path; nil when there is none.
    let text: @Sendable (String) -> String?
    /// The scripts of pages by the parts of their addresses.
    private let routes: [(pattern: [Substring], script: String)]

    init(text: @escaping @Sendable (String) -> String?) {
        self.text = text
        // The table of routes.js: `["/topics/:name", () => import("./pages/topic.js")],`.
        routes = Self.lines(of: text(Self.routes) ?? "").compactMap { line in
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count >= 5, parts[1].hasPrefix("/"), parts[2].hasSuffix("=> import("),
                let script = Self.resolve(parts[3], from: Self.routes)
            else { return nil }
            return (parts[1].split(separator: "/"), script)
        }
    }

    /// Paths of the scripts of a page, in a fixed order, without the one that the page itself starts.
    ///
    /// - Parameter address: of the page, such as `/topics/ratings`.
    func scripts(of address: String) -> [String] {
        var (found, seen) = ([String](), Set<String>())
        add(Self.main, to: &found, &seen)
        if let page = page(of: address) { add(page, to: &found, &seen) }
        return found.filter { $0 != Self.main }
    }

    /// `path` behind all that it imports, and what that imports; not what is loaded later, on demand.
    func closure(of path: String) -> [String] {
        var (found, seen) = ([String](), Set<String>())
        add(path, to: &found, &seen)
        return found
    }

    private func add(_ path: String, to found: inout [String], _ seen: inout Set<String>) {
        guard seen.insert(path).inserted, let text = text(path) else { return }
        // Imports stand before everything else.
        var rest = text.utf8[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = Substring(rest[..<end])
            if let other = Import(line, in: path)?.path {
                add(other, to: &found, &seen)
            } else if !line.isEmpty, !line.hasPrefix("//") {
                break
            }
            rest = rest[rest.index(after: end)...]
        }
        found.append(path)
    }

    /// What a script loads on demand, by `import("./palette.js")`.
    func later(_ path: String) -> [String] {
        Self.later(text(path) ?? "").compactMap { Self.resolve($0, from: path) }
    }

    /// What the text of a script loads on demand, as it is written there.
    static func later(_ text: String) -> [Substring] {
        text.split(separator: "import(\"", omittingEmptySubsequences: false).dropFirst().map { part in
            part.prefix { $0 != "\"" }
        }
    }

    /// The script of a page, by the table of routes; nil when no page is at the address.
    func page(of address: String) -> String? {
        let wanted = address.split(separator: "/")
        return routes.first { pattern, _ in
            pattern.count == wanted.count && zip(pattern, wanted).allSatisfy { $0.hasPrefix(":") || $0 == $1 }
        }?.script
    }

    /// `./a.js` and `../b/c.js` beside the script at `path`; nil for others.
    static func resolve(_ relative: Substring, from path: String) -> String? {
        guard relative.hasPrefix("./") || relative.hasPrefix("../") else { return nil }
        var parts = path.split(separator: "/").dropLast()
        for part in relative.split(separator: "/") {
            switch part {
            case ".": continue
            case "..":
                guard parts.popLast() != nil else { return nil }
            default: parts.append(part)
            }
        }
        return parts.joined(separator: "/")
    }

    /// By bytes: characters of several are never a line's end, and lines are many.
    static func lines(of text: String) -> [Substring] {
        text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Substring.init)
    }

    /// `import { a, b as c } from "./d.js";` or `import a from "./d.js";`: our scripts have one import in a line.
    struct Import {
        var path: String
        /// `{ a, b: c }`, as a `const` takes it from an object.
        var names: String

        /// nil for a line that is no import of a file of ours.
        init?(_ line: Substring, in path: String) {
            guard line.utf8.starts(with: "import ".utf8) else { return nil }
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            let words = parts[0].dropFirst("import ".count)
            guard parts.count == 3, words.hasSuffix(" from "),
                let other = ModuleGraph.resolve(parts[1], from: path)
            else { return nil }
            let taken = words.dropLast(" from ".count)
            guard taken.hasPrefix("{") || taken.allSatisfy({ $0.isLetter || $0.isNumber }) else { return nil }
            self.path = other
            names = taken.hasPrefix("{") ? String(taken.replacing(" as ", with: ": ")) : "{ default: \(taken) }"
        }
    }
}
