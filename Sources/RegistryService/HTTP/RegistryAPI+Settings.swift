import Cluster
import HTTPKit
import HTTPTypes
import JSONFormat
import SchemaRules

extension RegistryAPI {
    /// `/compatibility`, with the dry run across the platform.
    mutating func addCompatibility() {
        let registry = registry
        for pattern in [
            "/compatibility/subjects/{subject}/versions", "/compatibility/subjects/{subject}/versions/{version}",
        ] {
            let isAll = !pattern.hasSuffix("{version}")
            post(pattern) { exchange throws(RegistryError) in
                let request = try await registry.schemaRequest(exchange)
                let isVerbose = exchange.flag("verbose")
                let subject = exchange.subject
                let wanted = isAll ? nil : try exchange.version()
                var messages: [String]
                do throws(RegistryError) {
                    messages = try await registry.check(
                        subject, wanted, request, normalize: exchange.flag("normalize"))
                } catch {
                    guard isVerbose, error.code == 42201 else { throw error }
                    messages = [error.message]
                }
                var members: [(String, JSONValue)] = [("is_compatible", .bool(messages.isEmpty))]
                if isVerbose { members.append(("messages", .array(messages.map { .string($0) }))) }
                if exchange.flag("impact") {
                    let report = try await registry.impact(subject, request)
                    members.append(("impact", .array(report.impacts.map(\.json))))
                    let unanswered = report.unanswered.map {
                        JSONValue.object([("part", .string($0.part)), ("reason", .string($0.reason))])
                    }
                    members.append(("notAsked", .array(unanswered)))
                }
                return .json(.object(members))
            }
        }
    }

    /// `/config` and `/mode`, of everything and of subjects or contexts.
    mutating func addSettings() {
        let registry = registry
        for pattern in ["/config", "/config/{subject}"] {
            get(pattern) { exchange throws(RegistryError) in
                let scope = exchange.scope
                let (config, inForce) = registry.holder.read {
                    ($0.config(scope), $0.configInForce(scope, default: registry.settings.level))
                }
                if exchange.flag("defaultToGlobal") { return .json(Entity.config(inForce)) }
                if let config, scope != nil || config.level != nil { return .json(Entity.config(config)) }
                if let scope { throw .noSubjectConfig(scope) }
                // Clients ask this for a level, so there is one, whatever else is set.
                var everywhere = config ?? RegistryConfig()
                everywhere.level = registry.settings.level
                return .json(Entity.config(everywhere))
            }
            change(.put, pattern) { exchange throws(RegistryError) in
                let change = try exchange.object()
                // What the request itself gets wrong is told before anything about the subject.
                var checked = RegistryConfig()
                try SchemaRegistry.update(&checked, change)
                try exchange.checkSubject(forSettings: true)
                return .json(Entity.updated(try await registry.updateConfig(exchange.scope, change)))
            }
            change(.delete, pattern) { exchange throws(RegistryError) in
                .json(Entity.config(try await registry.deleteConfig(exchange.scope)))
            }
        }
        for pattern in ["/mode", "/mode/{subject}"] {
            get(pattern) { exchange throws(RegistryError) in
                let scope = exchange.scope
                let (mode, inForce) = registry.holder.read { ($0.mode(scope), $0.modeInForce(scope)) }
                if exchange.flag("defaultToGlobal") || inForce == .readOnlyOverride {
                    return .json(Entity.mode(inForce))
                }
                guard let mode else {
                    if let scope { throw .noSubjectMode(scope) }
                    return .json(Entity.mode(.readWrite))
                }
                return .json(Entity.mode(mode))
            }
            change(.put, pattern) { exchange throws(RegistryError) in
                let wanted = try exchange.object()["mode"]
                let mode = wanted?.text.flatMap { RegistryMode($0) }
                // Null, where it is said, takes the mode back, as it does with settings.
                guard mode != nil || wanted == .null else { throw .invalidMode }
                try exchange.checkSubject(forSettings: true)
                try await registry.setMode(exchange.scope, mode, force: exchange.flag("force"))
                return .json(mode.map { Entity.mode($0) } ?? .object([]))
            }
            change(.delete, pattern) { exchange throws(RegistryError) in
                .json(
                    Entity.mode(
                        try await registry.deleteMode(exchange.scope, recursive: exchange.flag("recursive"))))
            }
        }
    }

    /// The root, contexts, and what the server tells about itself.
    mutating func addOthers() {
        let registry = registry
        get("/") { _ in .json(.object([])) }
        post("/") { _ in .json(.object([])) }

        get("/contexts") { exchange throws(RegistryError) in
            let prefix = exchange.call.query("contextPrefix") ?? ""
            let contexts = registry.holder.read { $0.contextList }.filter { $0.hasPrefix(prefix) }
            let page = try exchange.page(contexts, registry.settings.contextLimit)
            return .json(.array(page.map { .string($0) }))
        }

        get("/v1/metadata/id") { _ throws(RegistryError) in
            let id: String?
            do throws(ClusterError) {
                id = try await registry.cluster.describeCluster().id
            } catch {
                throw .store(error.message)
            }
            return .json(
                .object([
                    (
                        "scope",
                        .object([
                            ("path", .array([])),
                            (
                                "clusters",
                                .object([
                                    ("kafka-cluster", .string(id ?? "")),
                                    ("schema-registry-cluster", .string(registry.settings.group)),
                                ])
                            ),
                        ])
                    )
                ]))
        }
        get("/v1/metadata/version") { _ in
            .json(
                .object([
                    ("version", .string("8.0.0")),
                    ("commitId", .string("swiftwater \(registry.settings.programVersion)")),
                ]))
        }
        get("/v1/metadata/deployment") { _ in .json(.object([])) }
        addContextDeletion()
    }

    /// `/contexts/{context}` itself, which is no path of a context.
    private mutating func addContextDeletion() {
        let registry = registry
        changeOnce(.delete, "/contexts/{context}") { exchange throws(RegistryError) in
            try await registry.deleteContext(exchange.namedContext)
            return .nothing
        }
    }
}
