import KafkaMessages
import LogStorage
import Security

/// The resource types of configurations.
private enum ResourceType {
    static let topic: Int8 = 2
    static let broker: Int8 = 4
    static let brokerLogger: Int8 = 8
    static let clientMetrics: Int8 = 16
    static let group: Int8 = 32

    /// What a permission for the configuration of a resource is about; what is no resource is refused later.
    static func check(
        _ operation: AclOperation, _ type: Int8, _ name: String, _ access: Access?
    ) throws(ControlError) {
        switch type {
        case topic:
            if !access.permits(operation, .topic, name) { throw ControlError(.topicAuthorizationFailed) }
        case group:
            if !access.permits(operation, .group, name) { throw ControlError(.groupAuthorizationFailed) }
        default:
            if !access.permitsCluster(operation) { throw ControlError(.clusterAuthorizationFailed) }
        }
    }

    static func unsupported(_ type: Int8) -> ControlError {
        ControlError(
            .invalidRequest,
            "Unknown resource type \(type): there are topics (2), brokers (4), their loggers (8), client metrics (16), groups (32)."
        )
    }

    /// - Throws: INVALID_REQUEST or INVALID_TOPIC_EXCEPTION for what cannot be a topic's name.
    static func checkTopic(_ name: String) throws(ControlError) {
        if name.isEmpty { throw ControlError(.invalidRequest, "Default topic resources are not allowed.") }
        if let problem = Topic.problem(withName: name) { throw ControlError(.invalidTopicException, problem) }
    }

    /// The resources that a request names more than once: which of the changes is meant nobody can tell.
    struct Repeated {
        fileprivate var names: [Int8: Set<String>] = [:]

        func check(_ type: Int8, _ name: String) throws(ControlError) {
            if names[type]?.contains(name) == true {
                throw ControlError(.invalidRequest, "Each resource must appear at most once.")
            }
        }
    }

    static func repeated(_ resources: [(type: Int8, name: String)]) -> Repeated {
        var seen: [Int8: Set<String>] = [:]
        var repeated = Repeated()
        for (type, name) in resources where !seen[type, default: []].insert(name).inserted {
            repeated.names[type, default: []].insert(name)
        }
        return repeated
    }

    static func checkGroup(_ name: String) throws(ControlError) {
        if name.isEmpty { throw ControlError(.invalidRequest, "Default group resources are not allowed.") }
    }
}

extension BrokerNode {
    func handleDescribeConfigs(_ request: DescribeConfigsRequest, _ responder: Responder) {
        let access = access(responder)
        controller.perform { [self] controller in
            var response = DescribeConfigsResponse()
            for resource in request.resources {
                var result = DescribeConfigsResponse.DescribeConfigsResult()
                result.resourceType = resource.resourceType
                result.resourceName = resource.resourceName
                do throws(ControlError) {
                    try ResourceType.check(
                        .describeConfigs, resource.resourceType, resource.resourceName, access)
                    // None by name are all, as none at all.
                    let keys = resource.configurationKeys.flatMap { $0.isEmpty ? nil : Set($0) }
                    result.configs = try configs(of: resource.resourceType, resource.resourceName)
                        .filter { keys?.contains($0.name) ?? true }
                        .map { Self.described($0, request) }
                    result.errorMessage = nil
                } catch {
                    result.errorCode = error.code.rawValue
                    result.errorMessage = error.message
                }
                response.results.append(result)
            }
            responder.send(response)
        }
    }

    /// The settings of a resource; on the control thread.
    func configs(of type: Int8, _ name: String) throws(ControlError) -> [ConfigDescription] {
        switch type {
        case ResourceType.topic:
            if let problem = Topic.problem(withName: name) { throw ControlError(.invalidTopicException, problem) }
            guard let topic = catalog.topic(named: name) else { throw ControlError(.unknownTopicOrPartition) }
            return ConfigDescriptions.topic(topic, server: controller.server, layers: controller.brokerLayers)
        case ResourceType.broker:
            try checkBroker(name, isAltered: false)
            var layers = controller.brokerLayers
            guard name.isEmpty else { return ConfigDescriptions.broker(layers) + identity() }
            // As Kafka answers: what was altered for all, not what each broker has besides.
            layers.own = [:]
            return ConfigDescriptions.broker(layers).filter { layers.defaults[$0.name] != nil }.map { config in
                var config = config
                config.synonyms.removeAll { $0.source != .dynamicDefaultBroker }
                return config
            }
        case ResourceType.brokerLogger:
            if name.isEmpty { throw ControlError(.invalidRequest, "Broker id must not be empty") }
            try checkBroker(name, isAltered: false)
            return [
                ConfigDescription(
                    name: BrokerLogLevel.loggerName, value: logLevel.word, source: .dynamicBrokerLogger,
                    isReadOnly: false, synonyms: [], type: .string, documentation: "What of the broker's log is shown.")
            ]
        case ResourceType.clientMetrics:
            if name.isEmpty {
                throw ControlError(.invalidRequest, "Client metrics subscription name must not be empty")
            }
            return ConfigDescriptions.clientMetrics(controller.image { $0.clientMetrics[name] ?? [:] })
        case ResourceType.group:
            if name.isEmpty { throw ControlError(.invalidRequest, "Group name must not be empty") }
            return ConfigDescriptions.group(overrides: controller.groupConfigs(name), server: controller.server)
        default: throw ResourceType.unsupported(type)
        }
    }

    /// The broker and its places, which the program's own configuration has under other names: tools ask for them.
    private func identity() -> [ConfigDescription] {
        let folder = directory.directory
        let running = listeners
        func list(_ address: (Listener) -> Listener.Address) -> String {
            running.map { "\($0.name)://\(address($0).description)" }.joined(separator: ",")
        }
        let values: [(name: String, value: String?, type: ConfigDefinition.ValueType, documentation: String)] = [
            (
                "advertised.listeners", list(\.advertised), .string, "The addresses that clients are told."
            ),
            ("broker.id", String(nodeId), .int, "The same as node.id."),
            ("broker.rack", nil, .string, "The rack of this broker; there is none."),
            ("listeners", list(\.bound), .string, "The addresses that the broker listens on."),
            (
                "listener.security.protocol.map",
                running.map { "\($0.name):\($0.securityProtocol.rawValue)" }.joined(separator: ","), .string,
                "What each listener speaks."
            ),
            ("log.dir", folder, .string, "The data folder."), ("log.dirs", folder, .string, "The data folder."),
            ("process.roles", "broker,controller", .list, "The roles of this process."),
        ]
        return values.map { entry in
            let source: ConfigDescription.Source = entry.value == nil ? .defaultValue : .staticBroker
            return ConfigDescription(
                name: entry.name, value: entry.value ?? "", isUnset: entry.value == nil, source: source,
                isReadOnly: true,
                synonyms: entry.value.map { [.init(name: entry.name, value: $0, source: source)] } ?? [],
                type: entry.type, documentation: entry.documentation)
        }
    }

    /// The empty name is the default of all brokers.
    ///
    /// - Parameter isAltered: whether its settings are to be changed, which Kafka refuses in other words.
    private func checkBroker(_ name: String, isAltered: Bool) throws(ControlError) {
        if name.isEmpty { return }
        guard let id = Int32(name) else {
            throw ControlError(
                .invalidRequest, "\(isAltered ? "Node" : "Broker") id must be an integer, but it is: \(name)")
        }
        guard id == nodeId else {
            throw ControlError(
                .invalidRequest,
                "Unexpected broker id, expected \(nodeId)\(isAltered ? "" : " or empty string"), but received \(name)")
        }
    }

    private static func described(
        _ config: ConfigDescription, _ request: DescribeConfigsRequest
    ) -> DescribeConfigsResponse.DescribeConfigsResourceResult {
        var entry = DescribeConfigsResponse.DescribeConfigsResourceResult()
        entry.name = config.name
        entry.value = config.isUnset ? nil : config.value
        entry.readOnly = config.isReadOnly
        entry.isSensitive = config.isSensitive
        entry.configSource = config.source.rawValue
        entry.configType = config.type.rawValue
        entry.documentation = request.includeDocumentation ? config.documentation : nil
        if request.includeSynonyms {
            entry.synonyms = config.synonyms.map { synonym in
                var described = DescribeConfigsResponse.DescribeConfigsSynonym()
                described.name = synonym.name
                described.value = config.isSensitive ? nil : synonym.value
                described.source = synonym.source.rawValue
                return described
            }
        }
        return entry
    }

    func handleAlterConfigs(_ request: AlterConfigsRequest, _ responder: Responder) {
        let access = access(responder)
        controller.perform { [self] _ in
            var response = AlterConfigsResponse()
            let repeated = ResourceType.repeated(request.resources.map { ($0.resourceType, $0.resourceName) })
            for resource in request.resources {
                var result = AlterConfigsResponse.AlterConfigsResourceResponse()
                result.resourceType = resource.resourceType
                result.resourceName = resource.resourceName
                do throws(ControlError) {
                    try repeated.check(resource.resourceType, resource.resourceName)
                    try ResourceType.check(.alterConfigs, resource.resourceType, resource.resourceName, access)
                    // What is to go back to its default is not named; null is no value.
                    let alterations = resource.configs.map { config in
                        ConfigAlteration(name: config.name, operation: .set, value: config.value)
                    }
                    try alter(
                        resource.resourceType, resource.resourceName, alterations, isIncremental: false,
                        validateOnly: request.validateOnly)
                    result.errorMessage = nil
                } catch {
                    result.errorCode = error.code.rawValue
                    result.errorMessage = error.message
                }
                response.responses.append(result)
            }
            responder.send(response)
        }
    }

    func handleIncrementalAlterConfigs(_ request: IncrementalAlterConfigsRequest, _ responder: Responder) {
        let access = access(responder)
        controller.perform { [self] _ in
            var response = IncrementalAlterConfigsResponse()
            let repeated = ResourceType.repeated(request.resources.map { ($0.resourceType, $0.resourceName) })
            for resource in request.resources {
                var result = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse()
                result.resourceType = resource.resourceType
                result.resourceName = resource.resourceName
                do throws(ControlError) {
                    try repeated.check(resource.resourceType, resource.resourceName)
                    try ResourceType.check(.alterConfigs, resource.resourceType, resource.resourceName, access)
                    try alter(
                        resource.resourceType, resource.resourceName, try Self.alterations(resource.configs),
                        isIncremental: true, validateOnly: request.validateOnly)
                    result.errorMessage = nil
                } catch {
                    result.errorCode = error.code.rawValue
                    result.errorMessage = error.message
                }
                response.responses.append(result)
            }
            responder.send(response)
        }
    }

    private static func alterations(
        _ configs: [IncrementalAlterConfigsRequest.AlterableConfig]
    ) throws(ControlError) -> [ConfigAlteration] {
        var alterations: [ConfigAlteration] = []
        for config in configs {
            guard let operation = ConfigAlteration.Operation(rawValue: config.configOperation) else {
                throw ControlError(.invalidRequest, "Unknown operation type \(config.configOperation)")
            }
            alterations.append(ConfigAlteration(name: config.name, operation: operation, value: config.value))
        }
        return alterations
    }

    /// Changes the settings of a resource; on the control thread.
    func alter(
        _ type: Int8, _ name: String, _ alterations: [ConfigAlteration], isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        switch type {
        case ResourceType.topic:
            try ResourceType.checkTopic(name)
            try controller.alterTopic(name, alterations, isIncremental: isIncremental, validateOnly: validateOnly)
        case ResourceType.broker:
            try checkBroker(name, isAltered: true)
            try controller.alterBroker(
                alterations, isDefault: name.isEmpty, isIncremental: isIncremental, validateOnly: validateOnly)
        case ResourceType.brokerLogger where isIncremental:
            if name.isEmpty { throw ControlError(.invalidRequest, "Node id must be an integer, but it is: ") }
            try checkBroker(name, isAltered: true)
            try logLevel.alter(alterations, validateOnly: validateOnly)
        case ResourceType.clientMetrics:
            if name.isEmpty { throw ControlError(.invalidRequest, "Subscription name can't be empty") }
            try controller.alterClientMetrics(
                name, alterations, isIncremental: isIncremental, validateOnly: validateOnly)
        case ResourceType.group:
            try ResourceType.checkGroup(name)
            try controller.alterGroup(name, alterations, isIncremental: isIncremental, validateOnly: validateOnly)
        default: throw ResourceType.unsupported(type)
        }
    }

    func handleListConfigResources(_ request: ListConfigResourcesRequest, _ responder: Responder) {
        // Version 0 asked for subscriptions to clients' metrics only.
        let everything: [Int8] =
            responder.apiVersion == 0
            ? [ResourceType.clientMetrics]
            : [
                ResourceType.topic, ResourceType.broker, ResourceType.brokerLogger, ResourceType.clientMetrics,
                ResourceType.group,
            ]
        let types = responder.apiVersion == 0 || request.resourceTypes.isEmpty ? everything : request.resourceTypes
        guard types.allSatisfy(everything.contains) else {
            return responder.send(ListConfigResourcesResponse(errorCode: ErrorCode.unsupportedVersion.rawValue))
        }
        controller.perform { [self] controller in
            var response = ListConfigResourcesResponse()
            func add(_ type: Int8, _ names: [String]) {
                guard types.contains(type) else { return }
                response.configResources += names.map {
                    ListConfigResourcesResponse.ConfigResource(resourceName: $0, resourceType: type)
                }
            }
            add(ResourceType.topic, catalog.snapshot.sorted.map(\.name))
            add(ResourceType.group, controller.configuredGroups)
            add(ResourceType.clientMetrics, controller.image { $0.clientMetrics.keys.sorted() })
            add(ResourceType.broker, [String(nodeId)])
            add(ResourceType.brokerLogger, [String(nodeId)])
            responder.send(response)
        }
    }
}
