import ArgumentParser
import Bytes
import JSONFormat
import RegistryClient
import SchemaRules

struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Look at schemas, register, check and delete them.",
        discussion: """
            Every command works with any schema registry that has Confluent's API.

            EXAMPLES
              swiftwater schema list
              swiftwater schema check ratings-value ratings.avsc
              swiftwater schema register ratings-value ratings.avsc
              swiftwater schema get ratings-value
              swiftwater schema config ratings-value --compatibility full
            """,
        subcommands: [
            SchemaList.self, SchemaGet.self, SchemaRegister.self, SchemaCheck.self, SchemaDiff.self, SchemaDelete.self,
            SchemaConfig.self,
        ])
}

struct SchemaList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the subjects with their latest schemas.",
        discussion: """
            EXAMPLES
              swiftwater schema list
              swiftwater schema list --prefix ratings -o json
            """)

    @Option(help: ArgumentHelp("Only subjects whose names begin so.", valueName: "text")) var prefix: String?
    @Flag(help: "Those that are deleted softly, too.") var deleted = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var registry: RegistryOptions

    func run() async throws {
        let schemas = try await registry.explaining { registry in
            try await registry.latestSchemas(prefix: prefix, includingDeleted: deleted)
        }.sorted { ($0.subject ?? "") < ($1.subject ?? "") }
        switch output.format {
        case .json:
            let values = schemas.map { schema in
                JSONValue.object([
                    ("subject", .string(schema.subject)), ("type", .string(SchemaTypeName(schema.type).rawValue)),
                    ("version", .number(Int64(schema.version ?? 0))), ("id", .number(Int64(schema.id ?? 0))),
                    ("deleted", .bool(schema.isDeleted)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table =
                deleted
                ? Table("SUBJECT", "TYPE", "VERSION#", "ID#", "DELETED") : Table("SUBJECT", "TYPE", "VERSION#", "ID#")
            for schema in schemas {
                let cells = [
                    schema.subject ?? "-", SchemaTypeName(schema.type).rawValue,
                    schema.version.map { String($0) } ?? "-",
                    schema.id.map { String($0) } ?? "-",
                ]
                table.add(deleted ? cells + [schema.isDeleted ? "yes" : "no"] : cells)
            }
            try Output.standard.line(table.text)
        }
    }
}

struct SchemaGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Print a schema, or list the versions of a subject.",
        discussion: """
            EXAMPLES
              swiftwater schema get ratings-value
              swiftwater schema get ratings-value --version 2 -o json
              swiftwater schema get ratings-value --versions
              swiftwater schema get --id 7
            """)

    @Argument(help: "The subject.") var subject: String?
    @Option(help: ArgumentHelp("A number, or latest.", valueName: "version")) var version: SchemaVersionArgument?
    @Option(help: ArgumentHelp("The schema of this id, as records carry it.", valueName: "id")) var id: Int32?
    @Flag(help: "List the versions instead.") var versions = false
    @Flag(help: "Versions that are deleted softly, too.") var deleted = false
    @Flag(help: "The text as it is stored, on one line.") var raw = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var registry: RegistryOptions

    func validate() throws {
        guard (subject == nil) != (id == nil) else { throw ValidationError("name a subject, or a schema with --id") }
        if id != nil, version != nil || versions { throw ValidationError("--version and --versions are for a subject") }
        if versions, version != nil { throw ValidationError("--version and --versions exclude each other") }
    }

    func run() async throws {
        if versions, let subject { return try await list(subject) }
        let schema = try await registry.explaining(subject: subject) { registry in
            if let id { return try await registry.schema(id: id) }
            return try await registry.schema(subject ?? "", version?.version ?? .latest, includingDeleted: deleted)
        }
        switch output.format {
        case .json: try Output.standard.write(Self.json(schema).pretty + [UInt8(ascii: "\n")])
        case .table: try Output.standard.line(raw ? schema.text : SchemaText.forPeople(schema.text, schema.type))
        }
    }

    private func list(_ subject: String) async throws {
        let schemas = try await registry.explaining(subject: subject) { registry in
            let versions = try await registry.versions(of: subject, includingDeleted: deleted)
            return try await concurrently(versions) { version in
                try await registry.schema(subject, .number(version), includingDeleted: deleted)
            }
        }
        switch output.format {
        case .json: try Output.standard.write(JSONValue.array(schemas.map(Self.json)).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("VERSION#", "ID#", "TYPE", "REFERENCES", "DELETED")
            for schema in schemas {
                table.add(
                    schema.version.map { String($0) } ?? "-", schema.id.map { String($0) } ?? "-",
                    SchemaTypeName(schema.type).rawValue,
                    schema.references.isEmpty
                        ? "-" : schema.references.map { "\($0.subject):\($0.version)" }.joined(separator: ","),
                    schema.isDeleted ? "yes" : "no")
            }
            try Output.standard.line(table.text)
        }
    }

    static func json(_ schema: RegisteredSchema) -> JSONValue {
        var members: [(String, JSONValue)] = []
        if let subject = schema.subject { members.append(("subject", .string(subject))) }
        if let version = schema.version { members.append(("version", .number(Int64(version)))) }
        if let id = schema.id { members.append(("id", .number(Int64(id)))) }
        if let guid = schema.guid { members.append(("guid", .string(guid))) }
        members.append(("type", .string(SchemaTypeName(schema.type).rawValue)))
        if !schema.references.isEmpty {
            let references = schema.references.map { reference in
                JSONValue.object([
                    ("name", .string(reference.name)), ("subject", .string(reference.subject)),
                    ("version", .number(Int64(reference.version))),
                ])
            }
            members.append(("references", .array(references)))
        }
        if let metadata = schema.metadata { members.append(("metadata", metadata)) }
        if let ruleSet = schema.ruleSet { members.append(("ruleSet", ruleSet)) }
        if schema.isDeleted { members.append(("deleted", .bool(true))) }
        members.append(("schema", .string(schema.text)))
        return .object(members)
    }
}
