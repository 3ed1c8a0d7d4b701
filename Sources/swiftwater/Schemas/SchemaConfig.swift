import ArgumentParser
import Bytes
import JSONFormat
import RegistryClient

struct SchemaConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show or change compatibility level, mode and other settings.",
        discussion: """
            Without a subject it is about all subjects that have no settings of their own.

            EXAMPLES
              swiftwater schema config
              swiftwater schema config ratings-value --compatibility full-transitive
              swiftwater schema config ratings-value --set normalize=true
              swiftwater schema config ratings-value --reset
              swiftwater schema config --mode readonly
            """)

    enum Level: String, CaseIterable, ExpressibleByArgument {
        case none, backward, forward, full
        case backwardTransitive = "backward-transitive"
        case forwardTransitive = "forward-transitive"
        case fullTransitive = "full-transitive"
    }

    enum Mode: String, CaseIterable, ExpressibleByArgument {
        case readwrite, readonly, `import`, forward
        case readonlyOverride = "readonly-override"
    }

    @Argument(help: "The subject. (default: what holds for all)") var subject: String?
    @Option(help: "What a new version must be able to read, or who must be able to read it.") var compatibility: Level?
    @Option(help: "Whether schemas may be registered, and how.") var mode: Mode?
    @Flag(help: "Change the mode although there are subjects already.") var force = false
    @Option(
        help: ArgumentHelp(
            "Another setting by the API's name, as in normalize=true; a JSON object or text. May be repeated.",
            valueName: "name=value"))
    var set: [String] = []
    @Flag(help: "Take the settings and the mode back, to what holds for all subjects.") var reset = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var registry: RegistryOptions

    func validate() throws {
        if reset, compatibility != nil || mode != nil || !set.isEmpty {
            throw ValidationError("--reset and settings exclude each other")
        }
        if force, mode == nil { throw ValidationError("--force is for --mode") }
        do {
            for (name, _) in try pairs(set, option: "--set") where !Self.names.contains(name) {
                throw ValidationError(
                    "a registry has no setting '\(name)'"
                        + (nearestName(to: name, among: Self.names).map { ": did you mean '\($0)'?" }
                            ?? ": there are \(Self.names.joined(separator: ", "))"))
            }
        } catch let failure as CommandFailure {
            throw ValidationError(failure.message)
        }
    }

    /// Members of Confluent's `ConfigUpdateRequest`.
    private static let names = [
        "alias", "normalize", "compatibility", "validateFields", "validateNames", "validateRules", "compatibilityGroup",
        "compatibilityPolicy", "defaultMetadata", "overrideMetadata", "defaultRuleSet", "overrideRuleSet",
    ]

    func run() async throws {
        let (configuration, mode) = try await registry.explaining(subject: subject) { registry in
            if reset {
                // The mode first: a subject that is read-only keeps its settings.
                if let subject {
                    try await Self.takingBack { () throws(RegistryFailure) in
                        try await registry.deleteMode(of: subject)
                    }
                }
                try await Self.takingBack { () throws(RegistryFailure) in
                    _ = try await registry.deleteConfiguration(of: subject)
                }
            }
            let changes = try changes()
            func setMode() async throws(RegistryFailure) {
                guard let mode = self.mode else { return }
                try await registry.setMode(of: subject, Self.name(mode.rawValue), force: force)
            }
            // Settings can be changed only where the mode lets them: one that opens goes first, one that closes last.
            let opens = self.mode == .readwrite || self.mode == .import
            if opens { try await setMode() }
            if !changes.isEmpty { try await registry.setConfiguration(of: subject, changes) }
            if !opens { try await setMode() }
            return (try await registry.configuration(of: subject), try await registry.mode(of: subject))
        }
        switch output.format {
        case .json:
            let value = JSONValue.object((configuration.members ?? []) + [("mode", .string(mode))])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("SETTING", "VALUE")
            for (name, value) in configuration.members ?? [] {
                table.add(name == "compatibilityLevel" ? "compatibility" : name, Self.text(value))
            }
            table.add("mode", Self.text(.string(mode)))
            try Output.standard.line(table.text)
        }
    }

    private static func takingBack(_ body: () async throws(RegistryFailure) -> Void) async throws(RegistryFailure) {
        do throws(RegistryFailure) { try await body() } catch {
            guard error.isNotFound else { throw error }  // it had none
        }
    }

    private func changes() throws -> [(String, JSONValue)] {
        var changes: [(String, JSONValue)] = []
        if let compatibility { changes.append(("compatibility", .string(Self.name(compatibility.rawValue)))) }
        for (name, text) in try pairs(set, option: "--set") {
            changes.append((name, JSONValue.parse(Array(text.utf8)) ?? .string(text)))
        }
        return changes
    }

    /// `full-transitive` is the API's `FULL_TRANSITIVE`.
    private static func name(_ text: String) -> String {
        text.uppercased().split(separator: "-").joined(separator: "_")
    }

    private static func text(_ value: JSONValue) -> String {
        guard let text = value.text else { return String(decoding: value.bytes, as: UTF8.self) }
        let isName = text.utf8.allSatisfy { (65...90).contains($0) || $0 == 95 }
        return isName ? text.lowercased().split(separator: "_").joined(separator: "-") : text
    }
}
