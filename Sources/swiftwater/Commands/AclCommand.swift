import ArgumentParser
import JSONFormat
import Security

struct AclCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acl", abstract: "Say who may do what with topics, groups and the cluster.",
        discussion: """
            EXAMPLES
              swiftwater acl list
              swiftwater acl add --allow-principal User:app --producer --topic ratings
              swiftwater acl remove --topic ratings
            """,
        subcommands: [AclAdd.self, AclList.self, AclRemove.self])
}

struct AclAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add rules.",
        discussion: """
            Every resource is combined with every principal, host and operation. Rules that are there already stay. \
            A rule that denies stands over all that allow; what no rule allows is denied.

            EXAMPLES
              swiftwater acl add --allow-principal User:ann --operation Read \\
                  --topic ratings
              swiftwater acl add --allow-principal User:app --producer --topic ratings
              swiftwater acl add --allow-principal User:app --consumer \\
                  --topic ratings --group billing
              swiftwater acl add --allow-principal User:app --operation All \\
                  --topic app- --group app- --resource-pattern-type prefixed
              swiftwater acl add --deny-principal User:bob --deny-host 10.0.0.7 \\
                  --topic ratings --operation Write
            """)

    @OptionGroup var entries: AclEntryOptions
    @OptionGroup var resources: AclResourceOptions
    @Option(help: ArgumentHelp("How names are meant: literal, or prefixed for all that begin so.", valueName: "type"))
    var resourcePatternType = "literal"
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try bindings() }

    private func bindings() throws -> [AclBinding] {
        guard !resources.isEmpty else {
            throw ValidationError("name resources with --topic, --group, --transactional-id, --cluster and the like")
        }
        guard !entries.entries.isEmpty else {
            throw ValidationError("name principals with --allow-principal or --deny-principal")
        }
        let pattern: AclPatternType =
            try AclNaming.pattern(resourcePatternType, searches: false) == .exactly(.prefixed) ? .prefixed : .literal
        let wanted = try targets()
        var bindings: [AclBinding] = []
        for entry in entries.entries {
            for host in entry.hosts.isEmpty ? [AclBinding.wildcard] : entry.hosts {
                for target in wanted {
                    let binding = AclBinding(
                        entry.permission, entry.principal, target.operation, on: target.type, target.name,
                        target.type == .cluster ? .literal : pattern, from: host)
                    if let problem = AclRules.problem(with: binding) { throw ValidationError(problem) }
                    bindings.append(binding)
                }
            }
        }
        return bindings
    }

    private func targets() throws -> [AclEntryOptions.Target] {
        if entries.producer || entries.consumer { return try entries.conveniences(resources) }
        let given = try entries.operations()
        var targets: [AclEntryOptions.Target] = []
        for resource in resources.resources {
            for operation in given.isEmpty ? [AclOperation.all] : given {
                let known = resource.type.operations
                guard operation == .all || known.contains(AclOperations(operation)) else {
                    let names = AclOperation.allCases.filter { known.contains(AclOperations($0)) }.map(\.name)
                    throw ValidationError(
                        "\(operation.name) means nothing for a \(resource.type.name): there are "
                            + names.joined(separator: ", ") + " and All")
                }
                targets.append(.init(type: resource.type, name: resource.name, operation: operation))
            }
        }
        return targets
    }

    func run() async throws {
        let bindings = try bindings()
        try await AclCalls(connection.connect()).create(bindings)
        try AclListing.show(bindings, output.format, "added")
    }
}

struct AclList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List rules.",
        discussion: """
            With --resource-pattern-type match all rules that concern the resource are listed: by its name, by * and by \
            prefixes.

            EXAMPLES
              swiftwater acl list
              swiftwater acl list --topic ratings --resource-pattern-type match
              swiftwater acl list --principal User:ann -o json
            """)

    @OptionGroup var resources: AclResourceOptions
    @Option(help: ArgumentHelp("Only rules about these principals; may be repeated.", valueName: "principal"))
    var principal: [String] = []
    @Option(help: ArgumentHelp("How names are meant: any, match, literal or prefixed.", valueName: "type"))
    var resourcePatternType = "any"
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        _ = try AclNaming.pattern(resourcePatternType, searches: true)
        for principal in principal where Principal(principal) == nil {
            throw ValidationError("'\(principal)' is no principal: TYPE:NAME, as User:\(principal)")
        }
    }

    func run() async throws {
        let pattern = try AclNaming.pattern(resourcePatternType, searches: true)
        var filters = resources.resources.map { resource in
            AclFilter(
                resourceType: resource.type, resourceName: resource.name,
                pattern: resource.type == .cluster ? .any : pattern)
        }
        if filters.isEmpty { filters = [AclFilter(pattern: pattern)] }
        let calls = AclCalls(try await connection.connect())
        var found: Set<AclBinding> = []
        for filter in filters {
            for principal in self.principal.isEmpty ? [nil] : self.principal.map(Optional.some) {
                var filter = filter
                filter.principal = principal
                found.formUnion(try await calls.list(filter))
            }
        }
        try AclListing.show(found.sorted(), output.format, nil)
    }
}

struct AclRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove rules.",
        discussion: """
            Removes the rules about the resources that fit all that is said: without principals those of everybody, \
            without operations those of all. --all stands for all resources.

            EXAMPLES
              swiftwater acl remove --topic ratings
              swiftwater acl remove --allow-principal User:ann --operation Read \\
                  --topic ratings
              swiftwater acl remove --allow-principal User:app --producer \\
                  --topic ratings
              swiftwater acl remove --all --allow-principal User:app
            """)

    @OptionGroup var entries: AclEntryOptions
    @OptionGroup var resources: AclResourceOptions
    @Flag(help: "All resources.") var all = false
    @Option(
        help: ArgumentHelp(
            "How names are meant: literal, prefixed, any or match. (default: literal; any with --all)",
            valueName: "type"))
    var resourcePatternType: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try filters() }

    private func filters() throws -> [AclFilter] {
        guard resources.isEmpty == all else {
            throw ValidationError(
                all
                    ? "--all stands for all resources: name none besides"
                    : "name resources with --topic, --group, --transactional-id or --cluster, or all with --all")
        }
        let pattern = try AclNaming.pattern(resourcePatternType ?? (all ? "any" : "literal"), searches: true)
        var filters: [AclFilter] = []
        if entries.producer || entries.consumer {
            guard !entries.entries.isEmpty else {
                throw ValidationError("name principals with --allow-principal, whose rules are to go")
            }
            for target in try entries.conveniences(resources) {
                filters.append(
                    AclFilter(
                        resourceType: target.type, resourceName: target.name, pattern: pattern,
                        operation: target.operation))
            }
        } else {
            let operations = try entries.operations()
            var places = resources.resources.map {
                AclFilter(resourceType: $0.type, resourceName: $0.name, pattern: pattern)
            }
            if all { places = [AclFilter(pattern: pattern)] }
            for place in places {
                for operation in operations.isEmpty ? [nil] : operations.map(Optional.some) {
                    var filter = place
                    filter.operation = operation
                    filters.append(filter)
                }
            }
        }
        for index in filters.indices where filters[index].resourceType == .cluster { filters[index].pattern = .any }
        guard !entries.entries.isEmpty else { return filters }
        return filters.flatMap { filter in
            entries.entries.flatMap { entry in
                (entry.hosts.isEmpty ? [nil] : entry.hosts.map(Optional.some)).map { host in
                    var filter = filter
                    filter.permission = entry.permission
                    filter.principal = entry.principal
                    filter.host = host
                    return filter
                }
            }
        }
    }

    func run() async throws {
        let removed = try await AclCalls(connection.connect()).remove(try filters())
        try AclListing.show(Set(removed).sorted(), output.format, "removed")
    }
}

/// Rules as they are printed.
enum AclListing {
    /// - Parameter done: what was done with them; nil for a list.
    static func show(_ bindings: [AclBinding], _ format: OutputFormat, _ done: String?) throws {
        switch format {
        case .json:
            let values = bindings.map { binding in
                JSONValue.object([
                    ("resourceType", .string(binding.resourceType.name)), ("name", .string(binding.resourceName)),
                    ("patternType", .string(binding.patternType.name)), ("principal", .string(binding.principal)),
                    ("host", .string(binding.host)), ("operation", .string(binding.operation.name)),
                    ("permission", .string(binding.permission.name)),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            if let done { try Output.standard.line("\(done) \(bindings.count) rule\(bindings.count == 1 ? "" : "s")") }
            guard done == nil || !bindings.isEmpty else { return }
            var table = Table("RESOURCE", "NAME", "PATTERN", "PRINCIPAL", "PERMISSION", "OPERATION", "HOST")
            for binding in bindings {
                table.add(
                    binding.resourceType.name, binding.resourceName, binding.patternType.name, binding.principal,
                    binding.permission.name, binding.operation.name, binding.host)
            }
            try Output.standard.line(table.text)
        }
    }
}
