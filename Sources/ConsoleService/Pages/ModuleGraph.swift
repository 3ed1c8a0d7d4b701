/// Which scripts each page needs, read from the scripts themselves, so that a browser is told of all at once: it would else
/// find one behind the other, a round of requests for each.
struct ModuleGraph: Sendable {
    static let router = "assets/js/router.js"
    static let main = "assets/js/main.js"

    /// The text of a file by its path; nil when there is none.
    private let text: @Sendable (String) -> String?

    init(text: @escaping @Sendable (String) -> String?) { self.text = text }

    /// Paths of the scripts of a page, in a fixed order, without the one that the page itself starts.
    ///
    /// - Parameter address: of the page, such as `/topics/ratings`.
    func scripts(of address: String) -> [String] {
        var found = [Self.main]
        add(Self.main, to: &found)
        if let page = page(of: address) {
            if !found.contains(page) { found.append(page) }
            add(page, to: &found)
        }
        return Array(found.dropFirst())
    }

    /// What `path` imports, and what that imports; not what is loaded later, on demand.
    private func add(_ path: String, to found: inout [String]) {
        guard let text = text(path) else { return }
        // Our scripts have one import in a line, at its beginning.
        for line in text.split(separator: "\n") where line.hasPrefix("import ") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count >= 3, let other = Self.resolve(parts[parts.count - 2], from: path),
                !found.contains(other)
            else { continue }
            found.append(other)
            add(other, to: &found)
        }
    }

    /// The script of a page, by the router's table: `["/topics/:name", () => import("./pages/topic.js")],`.
    private func page(of address: String) -> String? {
        let wanted = address.split(separator: "/")
        for line in (text(Self.router) ?? "").split(separator: "\n") where line.contains("=> import(") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count >= 5, parts[1].hasPrefix("/") else { continue }
            let pattern = parts[1].split(separator: "/")
            guard pattern.count == wanted.count,
                zip(pattern, wanted).allSatisfy({ $0.hasPrefix(":") || $0 == $1 })
            else { continue }
            return Self.resolve(parts[3], from: Self.router)
        }
        return nil
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
}
