import ArgumentParser
import JSONFormat
import RegistryClient
import SchemaRules

struct SchemaRegister: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Register a schema under a subject.",
        discussion: """
            A schema that the subject has already keeps its id and version. One that the subject's compatibility level \
            does not permit is refused, with the reasons.

            EXAMPLES
              swiftwater schema register ratings-value ratings.avsc
              swiftwater schema register orders-value order.proto \\
                  --reference customer.proto=customers-value:2
              swiftwater schema register users-value - --type json-schema < users.json
            """)

    @Argument(help: "The subject, such as ratings-value for the values of the topic ratings.") var subject: String
    @OptionGroup var source: SchemaSource
    @OptionGroup var output: OutputOptions
    @OptionGroup var registry: RegistryOptions

    func run() async throws {
        let request = try source.request()
        let (id, schema) = try await registry.explaining(subject: nil) { registry in
            let id = try await registry.register(request, under: subject, normalize: source.normalize)
            let schema = try await registry.lookUp(request, under: subject, normalize: source.normalize)
            return (id, schema)
        }
        switch output.format {
        case .json:
            let value = JSONValue.object([
                ("subject", .string(subject)), ("id", .number(Int64(id))),
                ("version", schema.version.map { .number(Int64($0)) } ?? .null),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            try Output.standard.line(
                "'\(subject)' has it as version \(schema.version.map { String($0) } ?? "?"), id \(id)")
        }
    }
}

struct SchemaCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell whether a schema could be registered, and what it would break.",
        discussion: """
            Nothing is changed. Ends with 1 when the subject's compatibility level does not permit the schema, or when a \
            stream, table, query, connector, consumer group or other schema would break. Parts of the platform that the \
            registry could not ask are named.

            EXAMPLES
              swiftwater schema check ratings-value ratings.avsc
              swiftwater schema check ratings-value ratings.avsc --against 3 -o json
            """)

    @Argument(help: "The subject.") var subject: String
    @OptionGroup var source: SchemaSource
    @Option(
        help: ArgumentHelp(
            "Compare with this version only. (default: those that the subject's level looks at)", valueName: "version"))
    var against: SchemaVersionArgument?
    @OptionGroup var output: OutputOptions
    @OptionGroup var registry: RegistryOptions

    func run() async throws {
        let request = try source.request()
        let report = try await registry.explaining(subject: subject) { registry in
            try await registry.check(
                request, under: subject, against: against?.version, normalize: source.normalize, findsImpact: true)
        }
        switch output.format {
        case .json:
            let value = JSONValue.object([
                ("subject", .string(subject)), ("compatible", .bool(report.isCompatible)),
                ("messages", .array(report.messages.map { .string($0) })),
                (
                    "impact",
                    .array(
                        report.impact.map {
                            .object([
                                ("kind", .string($0.kind)), ("name", .string($0.name)),
                                ("severity", .string($0.severity)), ("reason", .string($0.reason)),
                            ])
                        })
                ),
                (
                    "notAsked",
                    .array(
                        report.notAsked.map { .object([("part", .string($0.part)), ("reason", .string($0.reason))]) })
                ),
            ])
            try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
        case .table:
            if report.isCompatible { try Output.standard.line("compatible with '\(subject)'") }
            for message in report.messages {
                // The old schema and the settings are for programs: they are in the JSON output.
                if message.hasPrefix("{oldSchema: ") || message.hasPrefix("{validateFields: ") { continue }
                try Output.standard.line("  " + message)
            }
            try printImpact(report)
        }
        guard report.isCompatible else {
            throw CommandFailure(
                "the schema is not compatible with '\(subject)'",
                hint: "'swiftwater schema config \(subject)' shows the level that it is held to")
        }
        let broken = report.impact.filter { $0.severity == "breaks" }
        guard broken.isEmpty else {
            throw CommandFailure(
                "the schema is compatible with '\(subject)' and would break \(Self.count(broken))",
                hint: "change what reads and writes it first, or take another name for what is new")
        }
    }

    /// What the schema would meet: a table for each kind, the worst first.
    private func printImpact(_ report: CompatibilityReport) throws {
        for (kind, title) in Self.kinds {
            let found = report.impact.filter { $0.kind == kind }.sorted { a, b in
                (a.severity != "breaks" ? 1 : 0, a.name, a.reason) < (b.severity != "breaks" ? 1 : 0, b.name, b.reason)
            }
            guard !found.isEmpty else { continue }
            var table = Table(title, "", "WHAT IT WOULD MEET")
            for impact in found { table.add(impact.name, impact.severity, impact.reason) }
            try Output.standard.line(table.text)
        }
        try Output.standard.flush()
        for part in report.notAsked { Output.complain("not asked: \(part.part): \(part.reason)") }
    }

    /// In the order in which they are shown: those that hold data, then those that work on it.
    private static let kinds = [
        ("schema", "SCHEMA"), ("stream", "STREAM"), ("table", "TABLE"), ("query", "QUERY"), ("connector", "CONNECTOR"),
        ("consumer-group", "CONSUMER GROUP"),
    ]

    /// "2 queries and 1 stream".
    private static func count(_ impacts: [CompatibilityReport.Impact]) -> String {
        let parts = kinds.compactMap { kind, title -> String? in
            let count = Set(impacts.filter { $0.kind == kind }.map(\.name)).count
            guard count > 0 else { return nil }
            let word = title.lowercased()
            return count == 1 ? "1 \(word)" : "\(count) \(word == "query" ? "queries" : word + "s")"
        }
        guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
        return parts.dropLast().joined(separator: ", ") + " and " + last
    }
}

struct SchemaDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a subject or one version of it.",
        discussion: """
            A deleted version stays readable by its id, so that records written with it can be read, until it is deleted \
            with --permanent as well.

            EXAMPLES
              swiftwater schema delete ratings-value --version 2
              swiftwater schema delete ratings-value
              swiftwater schema delete ratings-value --permanent
            """)

    @Argument(help: "The subject.") var subject: String
    @Option(help: ArgumentHelp("Only this version.", valueName: "version")) var version: SchemaVersionArgument?
    @Flag(help: "For good: what is not deleted softly yet is deleted so first.") var permanent = false
    @OptionGroup var registry: RegistryOptions

    func run() async throws {
        let deleted: [Int32] = try await registry.explaining(subject: subject) { registry in
            guard permanent else { return try await delete(with: registry, permanently: false) }
            // The registry deletes for good only what is deleted softly.
            var wanted = version?.version
            do throws(RegistryFailure) {
                let softly = try await delete(with: registry, permanently: false)
                // What was the latest is not any more.
                if wanted != nil, let number = softly.first { wanted = .number(number) }
            } catch {
                guard error.code == 40404 || error.code == 40406 || error.code == 40401 else { throw error }
            }
            guard let wanted else { return try await registry.delete(subject, permanently: true) }
            return [try await registry.delete(subject, wanted, permanently: true)]
        }
        let versions = deleted.map { String($0) }.joined(separator: ", ")
        try Output.standard.line(
            "deleted \(deleted.count == 1 ? "version" : "versions") \(versions) of '\(subject)'"
                + (permanent ? " for good" : ""))
    }

    private func delete(
        with registry: RegistryClient, permanently: Bool
    ) async throws(RegistryFailure) -> [Int32] {
        guard let version else { return try await registry.delete(subject, permanently: permanently) }
        return [try await registry.delete(subject, version.version, permanently: permanently)]
    }
}
