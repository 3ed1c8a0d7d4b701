import Foundation
import NIOHTTP1
import Testing

@testable import ConsoleService

/// The files of the console.
@Suite struct PagesTests {
    @Test(
        arguments: [
            ("/", "index.html"), ("/overview", "index.html"), ("/topics/my.topic/messages", "index.html"),
            ("/topics/a.b", "index.html"), ("/assets/app.css", "assets/app.css"), ("/js/ui/chart.js", "js/ui/chart.js"),
            ("/favicon.ico", "favicon.ico"), ("/js/", "js"), ("/assets/v-12ab/js/a.js", "assets/js/a.js"),
            ("/topics/v-1/x", "index.html"),
        ])
    func `deep links are the one page`(path: String, file: String) { #expect(Pages.file(path) == file) }

    @Test(arguments: [("gzip", true), ("br, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false), ("", false)])
    func `reads what a browser takes`(header: String, takes: Bool) { #expect(Pages.takesGzip(header) == takes) }

    @Test func `pages have a type, a tag, and are sent once`() async throws {
        try await TestConsole.with { console in
            let first = try await console.ask(.GET, "/overview", headers: [])
            #expect(first.status == 200)
            #expect(first.headers.first(name: "Content-Type") == "text/html; charset=utf-8")
            #expect(first.text.lowercased().hasPrefix("<!doctype html>"))
            let tag = try #require(first.headers.first(name: "ETag"))
            let second = try await console.ask(.GET, "/overview", headers: [("If-None-Match", "\"x\", W/\(tag)")])
            #expect(second.status == 304)
            #expect(second.bytes.isEmpty)
            #expect(try await console.ask(.GET, "/js/none.js", headers: []).status == 404)
        }
    }

    @Test func `the page names its scripts at once, by addresses that stay`() async throws {
        try await TestConsole.with { console in
            let page = try await console.ask(.GET, "/topics/a.b", headers: [])
            #expect(page.headers.first(name: "Cache-Control") == "no-cache")
            let addresses = page.text.split(separator: "\"").filter { $0.hasPrefix("/assets/") }.map(String.init)
            #expect(Set(addresses).count == addresses.count)
            for file in ["js/main.js", "js/pages/topic.js", "js/dom.js", "js/ui/dialog.js", "css/base.css"] {
                #expect(addresses.contains { $0.hasSuffix("/" + file) }, "\(file)")
            }
            #expect(!addresses.contains { $0.hasSuffix("/pages/lineage.js") })
            for address in addresses {
                #expect(address.hasPrefix("/assets/v-"))
                let answer = try await console.ask(.GET, address, headers: [])
                #expect(answer.status == 200, "\(address)")
                #expect(answer.headers.first(name: "Cache-Control")?.contains("immutable") == true)
            }
            // One that is not the version of now is answered, and not kept.
            let old = try await console.ask(.GET, "/assets/v-0/js/main.js", headers: [])
            #expect(old.status == 200 && old.headers.first(name: "Cache-Control") == "no-cache")
            let lineage = try await console.ask(.GET, "/lineage", headers: [])
            #expect(lineage.text.contains("/js/pages/lineage.js") && lineage.text.contains("/js/graph/layout.js"))
            #expect(lineage.headers.first(name: "ETag") != page.headers.first(name: "ETag"))
        }
    }

    @Test(
        arguments: [
            ("./a.js", "assets/js/a.js"), ("../css/b.css", "assets/css/b.css"), ("./ui/c.js", "assets/js/ui/c.js"),
            ("../../../../x", nil), ("x.js", nil), ("https://example.com/x.js", nil),
        ] as [(String, String?)])
    func `imports are beside their script`(text: String, path: String?) {
        #expect(ModuleGraph.resolve(text[...], from: "assets/js/main.js") == path)
    }

    @Test func `a folder is served as it is, and nothing outside of it`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pages-\(UUID().uuidString)")
        let inner = folder.appending(path: "pages")
        try FileManager.default.createDirectory(at: inner.appending(path: "js"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try "outside".write(to: folder.appending(path: "secret.txt"), atomically: true, encoding: .utf8)
        try "<!doctype html>mine".write(to: inner.appending(path: "index.html"), atomically: true, encoding: .utf8)
        let script = String(repeating: "let a = 1;\n", count: 500)
        try script.write(to: inner.appending(path: "js/a.js"), atomically: true, encoding: .utf8)
        try await TestConsole.with { settings, _ in
            settings.pagesFolder = inner.path
        } _: { console in
            #expect(try await console.ask(.GET, "/topics", headers: []).text == "<!doctype html>mine")
            let plain = try await console.ask(.GET, "/js/a.js", headers: [])
            #expect(plain.text == script)
            #expect(plain.headers.first(name: "Content-Type") == "text/javascript; charset=utf-8")
            let packed = try await console.ask(.GET, "/js/a.js", headers: [("Accept-Encoding", "gzip")])
            #expect(packed.headers.first(name: "Content-Encoding") == "gzip")
            #expect(packed.bytes.count < script.utf8.count / 10)
            for path in ["/assets/../../secret.txt", "/js/..%2f..%2fsecret.txt", "/js/%2e%2e/%2e%2e/secret.txt"] {
                #expect(try await console.ask(.GET, path, headers: []).text.contains("outside") == false, "\(path)")
            }
        }
    }
}
