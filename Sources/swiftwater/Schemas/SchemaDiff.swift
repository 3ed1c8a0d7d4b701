import ArgumentParser
import JSONFormat
import RegistryClient
import SchemaRules

struct SchemaDiff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show how two versions of a subject differ, and who can still read what.",
        discussion: """
            Compares the version before the latest with the latest, unless --from and --to name others.

            EXAMPLES
              swiftwater schema diff ratings-value
              swiftwater schema diff ratings-value --from 1 --to 3
            """)

    @Argument(help: "The subject.") var subject: String
    @Option(help: ArgumentHelp("The older version.", valueName: "version")) var from: SchemaVersionArgument?
    @Option(help: ArgumentHelp("The newer version.", valueName: "version")) var to: SchemaVersionArgument?
    @OptionGroup var output: OutputOptions
    @OptionGroup var registry: RegistryOptions

    func run() async throws {
        let (old, new, oldReads, newReads) = try await registry.explaining(subject: subject) { registry in
            let new = try await registry.schema(subject, to?.version ?? .latest)
            let old = try await registry.schema(subject, try await older(than: new, registry))
            let (oldReads, newReads) = try await Self.incompatibilities(old, new, registry)
            return (old, new, oldReads, newReads)
        }
        let lines = SchemaText.difference(
            SchemaText.forPeople(old.text, old.type), SchemaText.forPeople(new.text, new.type))
        switch output.format {
        case .json:
            let value = JSONValue.object([
                ("subject", .string(subject)), ("from", .number(Int64(old.version ?? 0))),
                ("to", .number(Int64(new.version ?? 0))), ("backward", Self.json(newReads)),
                ("forward", Self.json(oldReads)), ("lines", .array(lines.map { .string($0) })),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            let (from, to) = (old.version.map { String($0) } ?? "?", new.version.map { String($0) } ?? "?")
            try Output.standard.line("--- \(subject) version \(from)")
            try Output.standard.line("+++ \(subject) version \(to)")
            for line in lines { try Output.standard.line(line) }
            if lines.isEmpty { try Output.standard.line("  the texts are the same") }
            try report("version \(to) reads what version \(from) wrote", newReads)
            try report("version \(from) reads what version \(to) writes", oldReads)
        }
    }

    private func report(_ claim: String, _ problems: [Incompatibility]) throws {
        try Output.standard.line((problems.isEmpty ? "yes: " : "no: ") + claim)
        for problem in problems { try Output.standard.line("  \(problem.path): \(problem.description)") }
    }

    private func older(than new: RegisteredSchema, _ registry: RegistryClient) async throws -> SchemaVersion {
        if let from { return from.version }
        let versions = try await registry.versions(of: subject)
        guard let version = versions.filter({ $0 < new.version ?? 0 }).max() else {
            throw CommandFailure("'\(subject)' has only one version: there is nothing to compare it with")
        }
        return .number(version)
    }

    private static func incompatibilities(
        _ old: RegisteredSchema, _ new: RegisteredSchema, _ registry: RegistryClient
    ) async throws -> (oldReads: [Incompatibility], newReads: [Incompatibility]) {
        guard old.type == new.type else {
            let problem = Incompatibility(
                kind: "TYPE", path: "/", description: "one is \(old.type.rawValue), the other \(new.type.rawValue)")
            return ([problem], [problem])
        }
        let oldDocument = try old.type.read(old.text, references: try await registry.references(of: old))
        let newDocument = try new.type.read(new.text, references: try await registry.references(of: new))
        return (
            oldDocument.incompatibilities(reading: newDocument, policy: .strict),
            newDocument.incompatibilities(reading: oldDocument, policy: .strict)
        )
    }

    private static func json(_ problems: [Incompatibility]) -> JSONValue {
        .object([
            ("compatible", .bool(problems.isEmpty)),
            (
                "problems",
                .array(
                    problems.map {
                        .object([
                            ("kind", .string($0.kind)), ("path", .string($0.path)),
                            ("description", .string($0.description)),
                        ])
                    })
            ),
        ])
    }
}
