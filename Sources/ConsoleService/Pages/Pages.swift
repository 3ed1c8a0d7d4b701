import CConsolePages
import Compression
import Glibc
package import HTTPKit
import HTTPTypes
import NIOCore
import Synchronization

/// The files of the console: inside the program, or for those who write them in a folder.
package final class Pages: Sendable {
    private let folder: String?
    /// By path, prepared when they are asked for the first time.
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
        guard let page = page(path) else { throw HTTPFailure(.notFound, "there is nothing at \(call.path)") }
        var answer = HTTPAnswer(
            headers: [.contentType: page.type, .cacheControl: "no-cache", .eTag: page.tag, .vary: "Accept-Encoding"])
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
        guard let first = parts.first else { return "index.html" }
        let isFile =
            ["assets", "css", "js", "fonts", "images"].contains(first) || (parts.count == 1 && first.contains("."))
        return isFile ? parts.joined(separator: "/") : "index.html"
    }

    /// Where the text of a page is, by path; nil when there is none.
    private func page(_ path: String) -> Page? {
        if let folder { return Self.read(folder, path).map { Self.prepare($0, path) } }
        if let page = prepared.withLock({ $0[path] }) { return page }
        for index in 0..<console_page_count() {
            guard let entry = console_page(index)?.pointee, String(cString: entry.path) == path else { continue }
            let page = Self.prepare(Array(UnsafeBufferPointer(start: entry.bytes, count: entry.length)), path)
            return prepared.withLock { known in
                known[path] = page
                return page
            }
        }
        return nil
    }

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
    private static func tag(_ bytes: [UInt8]) -> String {
        let hash = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return "\"\(String(hash, radix: 16))\""
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
