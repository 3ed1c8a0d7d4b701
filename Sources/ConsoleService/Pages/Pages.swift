import CConsolePages
import Compression
import Glibc
package import HTTPKit
import HTTPTypes
import NIOCore
import Synchronization

/// The files of the console: inside the program, or for those who write them in a folder.
///
/// The one page is asked for each time it is opened. It names the files inside the program by addresses with their version
/// (`/assets/v-5c1e.../js/main.js`), which browsers keep and ask for no more. Those inside the program are few: the styles are
/// one file, the scripts `ScriptBundles`. A folder's are sent as they are.
package final class Pages: Sendable {
    private let folder: String?
    /// By path, the one page by the script that its address shows; prepared when they are asked for the first time.
    private let prepared = Mutex<[String: Page]>([:])

    private struct Page: Sendable {
        var plain: ByteBuffer
        /// nil where it would not be shorter.
        var gzip: ByteBuffer?
        var tag: String
        var type: String
    }

    /// - Parameter folder: instead of what is inside the program; looked at for every request.
    package init(folder: String? = nil) { self.folder = folder }

    /// The answer to a GET of a path that is no part of the API.
    ///
    /// - Throws: `HTTPFailure` 404.
    package func answer(_ call: HTTPCall) throws(HTTPFailure) -> HTTPAnswer {
        let path = Self.file(call.path)
        guard let page = path == Self.index ? index(call.path) : page(path) else {
            throw HTTPFailure(.notFound, "there is nothing at \(call.path)")
        }
        // An address with another version is of a page that was opened before an upgrade: it gets what there is now.
        let stays = folder == nil && call.path.hasPrefix(Self.versioned)
        var answer = HTTPAnswer(
            headers: [
                .contentType: page.type, .cacheControl: stays ? "public, max-age=31536000, immutable" : "no-cache",
                .eTag: page.tag, .vary: "Accept-Encoding",
            ])
        ConsoleGuard.harden(&answer, isPage: true)
        if let known = call.headers[.ifNoneMatch], Self.tags(known).contains(page.tag) {
            answer.status = .notModified
            return answer
        }
        if let gzip = page.gzip, Self.takesGzip(call.headers[.acceptEncoding]) {
            answer.headers[.contentEncoding] = "gzip"
            answer.body = .bytes(gzip)
        } else {
            answer.body = .bytes(page.plain)
        }
        return answer
    }

    /// The file that a path stands for: deep links (`/topics/a.b`) are all the one page, whose script reads the path.
    static func file(_ path: String) -> String {
        let parts = path.split(separator: "/")
        guard let first = parts.first else { return index }
        let isFile =
            ["assets", "css", "js", "fonts", "images"].contains(first) || (parts.count == 1 && first.contains("."))
        guard isFile else { return index }
        if parts.count > 2, first == "assets", parts[1].hasPrefix("v-") {
            return "assets/" + parts.dropFirst(2).joined(separator: "/")
        }
        return parts.joined(separator: "/")
    }

    private static let index = "index.html"
    private static let assets = "/assets/"
    private static let allStyles = "assets/css/all.css"
    /// What addresses of files inside the program begin with: it changes when any of them does.
    private static let versioned: String = {
        var hash = (0..<console_page_count()).reduce(hashStart) { hash, index in
            guard let entry = console_page(index)?.pointee else { return hash }
            return Pages.hash(UnsafeBufferPointer(start: entry.bytes, count: entry.length), from: hash)
        }
        for (_, text) in inside.files.sorted(by: { $0.key < $1.key }) { hash = Pages.hash(text.utf8, from: hash) }
        return "/assets/v-\(String(hash, radix: 16))/"
    }()

    /// What is made of the files inside the program.
    private struct Inside: Sendable {
        var graph: ModuleGraph
        /// Instead of the files at these paths.
        var files: [String: String]
        /// The one page, whose head takes the links to an address's scripts.
        var index: String
    }

    private static let inside: Inside = {
        let texts = [String: String](
            uniqueKeysWithValues: (0..<console_page_count()).compactMap { index in
                guard let entry = console_page(index)?.pointee,
                    let text = String(
                        validating: UnsafeBufferPointer(start: entry.bytes, count: entry.length), as: UTF8.self)
                else { return nil }
                return (String(cString: entry.path), text)
            })
        let graph = ModuleGraph { texts[$0] }
        var files = ScriptBundles(graph)?.files ?? [:]
        var text = graph.text(index) ?? ""
        // All styles are one file, where the first of them is named.
        var styles = ""
        for line in ModuleGraph.lines(of: text) where line.hasPrefix("<link rel=\"stylesheet\" href=\"\(assets)") {
            guard let path = line.split(separator: "\"").dropFirst(3).first?.dropFirst(),
                let style = graph.text(String(path))
            else { continue }
            let link = "<link rel=\"stylesheet\" href=\"/\(allStyles)\">\n"
            text = text.replacing("\(line)\n", with: styles.isEmpty ? link : "")
            styles += style
        }
        files[allStyles] = styles
        return Inside(graph: graph, files: files, index: text)
    }()

    /// The one page for an address: with the scripts that it will need.
    private func index(_ address: String) -> Page? {
        if folder != nil {
            let graph = ModuleGraph { path in
                self.bytes(path).flatMap { String(validating: $0, as: UTF8.self) }
            }
            guard let text = graph.text(Self.index) else { return nil }
            return Self.prepare(Self.page(text, naming: graph.scripts(of: address)), Self.index)
        }
        let inside = Self.inside
        let script = inside.graph.page(of: address)
        let key = Self.index + " " + (script ?? "")
        if let page = prepared.withLock({ $0[key] }) { return page }
        let isBundled = inside.files[ModuleGraph.main] != nil
        let scripts = isBundled ? script.map { [$0] } ?? [] : inside.graph.scripts(of: address)
        let text = Self.page(inside.index, naming: scripts).replacing("\"" + Self.assets, with: "\"" + Self.versioned)
        let page = Self.prepare(text, Self.index)
        prepared.withLock { $0[key] = page }
        return page
    }

    /// The one page with links to scripts, which a browser then asks for at once.
    private static func page(_ text: String, naming scripts: [String]) -> String {
        guard let end = text.firstRange(of: "</head>") else { return text }
        var text = text
        let links = scripts.map { "<link rel=\"modulepreload\" href=\"/\($0)\">\n" }.joined()
        text.insert(contentsOf: links, at: end.lowerBound)
        return text
    }

    /// Where the text of a page is, by path; nil when there is none.
    private func page(_ path: String) -> Page? {
        if folder == nil, let page = prepared.withLock({ $0[path] }) { return page }
        let made = folder == nil ? Self.inside.files[path].map { Array($0.utf8) } : nil
        guard let page = (made ?? bytes(path)).map({ Self.prepare($0, path) }) else { return nil }
        if folder == nil { prepared.withLock { $0[path] = page } }
        return page
    }

    private func bytes(_ path: String) -> [UInt8]? {
        if let folder { Self.read(folder, path) } else { Self.embedded(path) }
    }

    private static func embedded(_ path: String) -> [UInt8]? {
        for index in 0..<console_page_count() {
            guard let entry = console_page(index)?.pointee, String(cString: entry.path) == path else { continue }
            return Array(UnsafeBufferPointer(start: entry.bytes, count: entry.length))
        }
        return nil
    }

    private static func prepare(_ text: String, _ path: String) -> Page { prepare(Array(text.utf8), path) }

    private static func prepare(_ bytes: [UInt8], _ path: String) -> Page {
        let (type, isText) = type(path)
        var gzip: ByteBuffer?
        // A file that cannot be compressed is sent as it is.
        if isText, bytes.count > 1000, let packed = try? Codec.gzip.compress(bytes.span.bytes, level: 6),
            packed.count < bytes.count
        {
            gzip = ByteBuffer(bytes: packed)
        }
        return Page(plain: ByteBuffer(bytes: bytes), gzip: gzip, tag: tag(bytes), type: type)
    }

    /// 64-bit FNV-1a: tells versions of one file apart, which need not withstand an attack.
    private static func tag(_ bytes: [UInt8]) -> String { "\"\(String(hash(bytes, from: hashStart), radix: 16))\"" }

    private static let hashStart: UInt64 = 0xCBF2_9CE4_8422_2325

    private static func hash(_ bytes: some Sequence<UInt8>, from start: UInt64) -> UInt64 {
        bytes.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    static func type(_ path: String) -> (String, isText: Bool) {
        switch path.split(separator: ".").last.map(String.init) ?? "" {
        case "html": ("text/html; charset=utf-8", true)
        case "css": ("text/css; charset=utf-8", true)
        case "js", "mjs": ("text/javascript; charset=utf-8", true)
        case "json", "webmanifest": ("application/json", true)
        case "svg": ("image/svg+xml", true)
        case "txt", "md": ("text/plain; charset=utf-8", true)
        case "png": ("image/png", false)
        case "ico": ("image/x-icon", false)
        case "woff2": ("font/woff2", false)
        default: ("application/octet-stream", false)
        }
    }

    private static func tags(_ header: String) -> [String] {
        header.split(separator: ",").map { part in
            let tag = part.trimmed
            return tag.hasPrefix("W/") ? String(tag.dropFirst(2)) : tag
        }
    }

    static func takesGzip(_ header: String?) -> Bool {
        (header ?? "").split(separator: ",").contains { part in
            let pieces = part.split(separator: ";")
            guard pieces.first?.trimmed.lowercased() == "gzip" else { return false }
            return !pieces.dropFirst().contains { ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains($0.trimmed) }
        }
    }

    private static let byteCountMax = 16 << 20

    /// A file of the folder; nothing outside of it.
    private static func read(_ folder: String, _ path: String) -> [UInt8]? {
        guard !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }) else { return nil }
        let descriptor = open(folder + "/" + path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= byteCountMax else {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            guard got > 0 else { break }
            count += got
        }
        return Array(bytes.prefix(count))
    }
}

extension StringProtocol {
    /// Without spaces at both ends.
    var trimmed: String {
        var text = drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
