import ConnectCore
import Foundation
import JSONFormat
import SQLFunctions
import SQLSyntax
import Testing

@testable import swiftwater

/// The references of `docs` that are made from catalogues, and the manual page.
@Suite struct ReferenceTests {
    @Test(arguments: DocsCommand.Reference.allCases.filter { $0.file != nil })
    func `generated documents are up to date`(reference: DocsCommand.Reference) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = try #require(reference.file)
        let text = try String(contentsOf: root.appending(path: file), encoding: .utf8)
        #expect(text == reference.text, "\(file) is stale: run './dev docs'")
    }

    @Test func `every function says what it does`() throws {
        let catalog = FunctionCatalog.builtIn
        for (name, _) in catalog.listing {
            #expect(try !catalog.documentation(of: name).overview.isEmpty, "\(name) has no description")
        }
    }

    @Test func `every option of every connector is explained`() {
        for plugin in ConnectorPlugins.all(histories: nil, responses: nil) {
            for option in plugin.definition.options where !option.isInternal {
                #expect(!option.documentation.isEmpty, "\(plugin.classNames[0]) \(option.name)")
            }
        }
    }

    @Test func `examples of statements parse, each as a statement of its entry`() throws {
        var seen: Set<String> = []
        for entry in StatementCatalog.sections.flatMap(\.entries) {
            let dialect: SQLDialect =
                switch entry.place {
                case .server: .server
                case .shell: .commandLine
                case .tests: .testScript
                }
            for example in entry.examples {
                let word = Self.keyword(try SQLParser.statement(example, dialect: dialect).statement)
                seen.insert(word)
            }
            #expect(!entry.examples.isEmpty && !entry.text.isEmpty)
        }
        #expect(Self.keywords.subtracting(seen) == [], "statements without an example")
    }

    private static let keywords: Set<String> = [
        "query", "createSource", "createSourceAs", "alterSource", "dropSource", "insertInto", "insertValues",
        "createType", "dropType", "terminate", "pause", "resume", "explain", "show", "describe", "printTopic",
        "createConnector", "dropConnector", "setProperty", "unsetProperty", "alterSystemProperty", "defineVariable",
        "undefineVariable",
        "assertTopic", "assertSchema", "runScript", "spool", "assertValues", "assertTombstone", "assertSource",
    ]

    /// A new statement does not compile here until it has a name, and then wants an example.
    private static func keyword(_ statement: Statement) -> String {
        switch statement {
        case .query: "query"
        case .createSource: "createSource"
        case .createSourceAs: "createSourceAs"
        case .alterSource: "alterSource"
        case .dropSource: "dropSource"
        case .insertInto: "insertInto"
        case .insertValues: "insertValues"
        case .createType: "createType"
        case .dropType: "dropType"
        case .terminate: "terminate"
        case .pause: "pause"
        case .resume: "resume"
        case .explain: "explain"
        case .show: "show"
        case .describe: "describe"
        case .printTopic: "printTopic"
        case .createConnector: "createConnector"
        case .dropConnector: "dropConnector"
        case .setProperty: "setProperty"
        case .unsetProperty: "unsetProperty"
        case .alterSystemProperty: "alterSystemProperty"
        case .defineVariable: "defineVariable"
        case .undefineVariable: "undefineVariable"
        case .assertTopic: "assertTopic"
        case .assertSchema: "assertSchema"
        case .runScript: "runScript"
        case .spool: "spool"
        case .assertValues: "assertValues"
        case .assertTombstone: "assertTombstone"
        case .assertSource: "assertSource"
        }
    }

    @Test func `the manual page has every command that people see, with its options`() throws {
        let page = ManualPage.text
        #expect(page.hasPrefix(".TH SWIFTWATER 1 "))
        #expect(page.contains(".SS \"swiftwater topic create NAME"))
        #expect(page.contains("\\fB\\-\\-partitions\\fR"))
        #expect(page.contains("\\fBSWIFTWATER_DATA_DIR\\fR"))
        #expect(!page.contains("swiftwater docs"))
        // A line that begins with a dot and is no macro would vanish.
        for line in page.split(separator: "\n") where line.hasPrefix(".") || line.hasPrefix("'") {
            #expect(
                [".TH", ".nh", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi", ".B", ".I", ".BR"].contains {
                    line == $0 || line.hasPrefix($0 + " ")
                }, "\(line)")
        }
    }

    @Test func `special characters of manual pages are escaped`() {
        var page = Roff()
        page.line(".hidden")
        page.paragraph("a-b \\ 'c' \"d\" `e` ~f ^g")
        #expect(page.text == "\\&.hidden\n.PP\na\\-b \\e \\(aqc\\(aq \\(dqd\\(dq \\(gae\\(ga \\(tif \\(hag\n")
    }

    @Test func `bars, asterisks, angles and line ends do not end a cell`() {
        #expect(Markdown.cell(" a|b\nc <d> *e* ") == "a\\|b c &lt;d> \\*e\\*")
        #expect(Markdown.code("a|b") == "`a\\|b`")
        #expect(Markdown.code("`x`") == "`` `x` ``")
        #expect(Markdown.code("") == "")
    }

    @Test func `the version tells what it was built from`() {
        #expect(BuildInfo.line.hasPrefix("swiftwater \(Swiftwater.version) (") && BuildInfo.line.contains("Swift 6"))
        #expect(BuildInfo.json["version"]?.text == Swiftwater.version)
        struct Known: BuildFacts { static var commit: String? { "70d2ebc" } }
        #expect(Known.commit == "70d2ebc" && Known.date == nil)
    }
}
