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
            let files = ["css/all.css", "icon.svg", "js/early.js", "js/main.js", "js/pages/topic.js"]
            #expect(addresses.map { $0.split(separator: "/").dropFirst(2).joined(separator: "/") }.sorted() == files)
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
            #expect(lineage.text.contains("/js/pages/lineage.js"))
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

    @Test func `scripts that several pages need come with the frame, others with their page`() async throws {
        try await TestConsole.with { console in
            func text(_ path: String) async throws -> String { try await console.ask(.GET, path, headers: []).text }
            let main = try await text("/assets/js/main.js")
            for name in ["dom", "ui_table", "charts_chart", "router", "routes"] {
                #expect(main.split(separator: "const $\(name) = (() => {", omittingEmptySubsequences: false).count == 2)
            }
            #expect(!main.contains("const $pages_lineage = ") && !main.contains("const $ui_palette = "))
            #expect(main.contains("import(\"./ui/palette.js\")"))
            #expect(main.contains("import(\"./pages/lineage.js\")"))
            let lineage = try await text("/assets/js/pages/lineage.js")
            #expect(lineage.hasPrefix("import { "))
            #expect(lineage.contains(" } from \"../main.js\";\nconst $graph_around = "))
            #expect(lineage.hasSuffix("\nexport default $pages_lineage.default;\n"))
            for bundle in [main, String(lineage.drop { $0 != "\n" })] {
                #expect(!bundle.contains("\nimport ") && bundle.split(separator: "\nexport ").count == 2)
            }
            let styles = try await text("/assets/css/all.css")
            for selector in [":root {", ".button {", ".nav ", ".editor {"] { #expect(styles.contains(selector)) }
        }
    }

    @Test func `bundles keep each script in a scope of its own`() throws {
        let files = [
            "assets/js/main.js":
                """
            // Begins.
            import { a as b } from "./a.js";
            import("./sub/p.js"); import("./sub/q.js");

            """,
            "assets/js/a.js": "export const a = 1;\n", "assets/js/shared.js": "export class S {\n}\n",
            "assets/js/sub/p.js":
                """
            import { S } from "../shared.js";
            import own from "./own.js";
            export default async function p() {
            }

            """,
            "assets/js/sub/q.js":
                """
            import { S } from "../shared.js";
            export function q() { return import("./p.js"); }

            """,
            "assets/js/sub/own.js": "import { a } from \"../a.js\";\nexport default function own() {}\n",
        ]
        let bundles = try #require(ScriptBundles(ModuleGraph { files[$0] })).files
        #expect(bundles.keys.sorted() == ["assets/js/main.js", "assets/js/sub/p.js", "assets/js/sub/q.js"])
        #expect(
            bundles["assets/js/main.js"] == """
                const $a = (() => {
                const a = 1;

                return { a };
                })();
                const $shared = (() => {
                class S {
                }

                return { S };
                })();
                const $main = (() => {
                // Begins.
                const { a: b } = $a;
                import("./sub/p.js"); import("./sub/q.js");

                return {  };
                })();
                export { $a, $shared, $main };

                """)
        #expect(
            bundles["assets/js/sub/p.js"] == """
                import { $shared, $a } from "../main.js";
                const $sub_own = (() => {
                const { a } = $a;
                function own() {}

                return { default: own };
                })();
                const $sub_p = (() => {
                const { S } = $shared;
                const { default: own } = $sub_own;
                async function p() {
                }

                return { default: p };
                })();
                export default $sub_p.default;

                """)
        #expect(bundles["assets/js/sub/q.js"]?.contains("import(\"../sub/p.js\")") == true)
        #expect(bundles["assets/js/sub/q.js"]?.hasSuffix("export const q = $sub_q.q;\n") == true)
    }

    @Test(
        arguments: ["import * as a from \"./b.js\"", "export { a };", "export default () => 1;", "import \"./b.js\";"])
    func `scripts that are written otherwise are not bundled`(line: String) {
        let main = "import { x } from \"./a.js\";\n"
        let files = ["assets/js/main.js": main, "assets/js/a.js": line + "\n", "assets/js/b.js": ""]
        #expect(ScriptBundles(ModuleGraph { files[$0] }) == nil)
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
