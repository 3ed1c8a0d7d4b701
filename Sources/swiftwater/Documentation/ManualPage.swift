import ArgumentParser
import JSONFormat

/// `swiftwater(1)`: the manual page, from the tree of commands that the argument parser itself describes.
enum ManualPage {
    static var text: String {
        guard let tree = JSONValue.parse(Array(Swiftwater._dumpHelp().utf8)), let root = tree["command"] else {
            return ""  // the parser's own description is JSON
        }
        var page = Roff()
        let date = BuildInfo.date ?? ""
        page.raw(".TH SWIFTWATER 1 \"\(date)\" \"swiftwater \(Swiftwater.version)\" \"User Commands\"")
        page.raw(".nh")  // names of options and variables stay in one piece
        page.section("NAME")
        page.line("swiftwater \\- " + Roff.escaped(sentence(root["abstract"]?.text ?? "")))
        page.section("SYNOPSIS")
        page.raw(".B swiftwater")
        page.raw(".I command")
        page.raw("[\\fIoptions\\fR]")
        page.section("DESCRIPTION")
        page.discussion(root["discussion"]?.text ?? "")
        page.section("COMMANDS")
        for command in root["subcommands"]?.elements ?? [] { add(command, ["swiftwater"], to: &page) }
        page.section("ENVIRONMENT")
        for (name, meaning) in environment { page.tagged("\\fB\(Roff.escaped(name))\\fR", meaning) }
        page.section("FILES")
        page.tagged("\\fI./swiftwater\\-data\\fR", "The data folder, unless start is told another.")
        page.tagged(
            "\\fI/etc/swiftwater/swiftwater.properties\\fR", "Settings of the service that the Debian package brings.")
        page.tagged("\\fI/var/lib/swiftwater\\fR", "The data folder of that service.")
        page.section("EXIT STATUS")
        for (code, meaning) in [
            ("0", "Done."), ("1", "The operation failed; the reason and a hint are on standard error."),
            ("64", "The command line or a setting makes no sense."),
            ("130", "Ended by Ctrl-C before the work was done."),
        ] { page.tagged(code, meaning) }
        page.section("SEE ALSO")
        page.raw(".BR kcat (1),")
        page.raw(".BR systemd.service (5)")
        return page.text
    }

    /// Those that commands read; `start` has one for each of its flags.
    private static var environment: [(String, String)] {
        let clients = [
            ("SWIFTWATER_BOOTSTRAP", "The Kafka cluster of commands that are clients, as -b gives it."),
            ("SWIFTWATER_REGISTRY", "The schema registry of such commands."),
            ("SWIFTWATER_CONNECT", "The Connect worker of such commands."),
            ("SWIFTWATER_SQL", "The SQL server of the command sql."),
            ("SWIFTWATER_CONFIG", "The file of settings of start, as --config gives it."),
            ("SWIFTWATER_LOG_LEVEL, SWIFTWATER_LOG_FORMAT", "How start logs."),
            ("SWIFTWATER_SET_NAME", "A setting of start by its name in upper case, with _ for each dot."),
        ]
        return clients
            + ServerSettings.variables.sorted { $0.key < $1.key }.map { variable, setting in
                (variable, "\(setting): \(ServerSettings.documentation(setting))")
            }
    }

    private static func add(_ command: JSONValue, _ parents: [String], to page: inout Roff) {
        guard isShown(command), let name = command["commandName"]?.text else { return }
        let path = parents + [name]
        let subcommands = (command["subcommands"]?.elements ?? []).filter(isShown)
        guard subcommands.isEmpty else {
            for subcommand in subcommands { add(subcommand, path, to: &page) }
            return
        }
        let arguments = (command["arguments"]?.elements ?? []).filter { isShown($0) && !isGeneral($0) }
        let operands = arguments.filter { $0["kind"]?.text == "positional" }
        page.subsection(([path.joined(separator: " ")] + operands.map(operand)).joined(separator: " "))
        page.line(Roff.escaped(command["abstract"]?.text ?? ""))
        page.discussion(command["discussion"]?.text ?? "")
        for argument in arguments { page.tagged(tag(argument), meaning(argument)) }
    }

    private static func isShown(_ value: JSONValue) -> Bool { value["shouldDisplay"]?.flag != false }

    /// `--help` and `--version`, which every command has.
    private static func isGeneral(_ argument: JSONValue) -> Bool {
        ["help", "version"].contains(argument["preferredName"]?["name"]?.text) && argument["kind"]?.text == "flag"
    }

    private static func operand(_ argument: JSONValue) -> String {
        let name = (argument["valueName"]?.text ?? "").uppercased()
        let more = argument["isRepeating"]?.flag == true ? "..." : ""
        return argument["isOptional"]?.flag == true ? "[\(name)\(more)]" : name + more
    }

    private static func tag(_ argument: JSONValue) -> String {
        if argument["kind"]?.text == "positional" {
            return "\\fI\(Roff.escaped((argument["valueName"]?.text ?? "").uppercased()))\\fR"
        }
        let names = (argument["names"]?.elements ?? []).map { name in
            let dashes = name["kind"]?.text == "long" ? "--" : "-"
            return "\\fB\(Roff.escaped(dashes + (name["name"]?.text ?? "")))\\fR"
        }
        guard argument["kind"]?.text == "option" else { return names.joined(separator: ", ") }
        return names.joined(separator: ", ") + " \\fI\(Roff.escaped(argument["valueName"]?.text ?? ""))\\fR"
    }

    private static func meaning(_ argument: JSONValue) -> String {
        var sentences = [argument["abstract"]?.text ?? ""]
        if let values = argument["allValues"]?.elements, !values.isEmpty {
            sentences.append("Values: \(values.compactMap(\.text).joined(separator: ", ")).")
        }
        if let value = argument["defaultValue"]?.text, !(sentences[0].contains("(default:")) {
            sentences.append("Default: \(value).")
        }
        return sentences.joined(separator: " ")
    }

    /// As the line of NAME has it, for `whatis`.
    private static func sentence(_ text: String) -> String { text.hasSuffix(".") ? String(text.dropLast()) : text }
}

/// The language of manual pages, with the macros of man(7).
struct Roff {
    private(set) var text = ""

    mutating func raw(_ line: String) { text += line + "\n" }

    mutating func line(_ line: String) { raw(line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" + line : line) }

    mutating func section(_ title: String) { raw(".SH \(title)") }

    mutating func subsection(_ title: String) { raw(".SS \"\(Self.escaped(title))\"") }

    mutating func paragraph(_ paragraph: String) {
        guard !paragraph.isEmpty else { return }
        raw(".PP")
        line(Self.escaped(paragraph))
    }

    /// - Parameter tag: with its own markup.
    mutating func tagged(_ tag: String, _ meaning: String) {
        raw(".TP")
        line(tag)
        line(meaning.isEmpty ? "\\&" : Self.escaped(meaning))
    }

    /// A command's discussion: paragraphs, and lines that are indented and stay as they are.
    mutating func discussion(_ text: String) {
        var isVerbatim = false
        var isNewParagraph = true
        for text in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if text.hasPrefix("  ") {
                if !isVerbatim { raw(".PP\n.nf") }
                isVerbatim = true
                line(Self.escaped(String(text)))
                continue
            }
            if isVerbatim { raw(".fi") }
            isVerbatim = false
            if text.isEmpty {
                isNewParagraph = true
            } else {
                if isNewParagraph || text == "EXAMPLES" { raw(".PP") }
                isNewParagraph = false
                line(text == "EXAMPLES" ? "Examples:" : Self.escaped(String(text)))
            }
        }
        if isVerbatim { raw(".fi") }
    }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\e"
            case "-": escaped += "\\-"
            case "\"": escaped += "\\(dq"
            case "'": escaped += "\\(aq"
            case "`": escaped += "\\(ga"
            case "~": escaped += "\\(ti"
            case "^": escaped += "\\(ha"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
