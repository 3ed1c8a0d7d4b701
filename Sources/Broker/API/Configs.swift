import KafkaMessages
import LogStorage
import Security

/// The resource types of configurations.
private enum ResourceType {
    static let topic: Int8 = 2
    static let broker: Int8 = 4
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
            "Unsupported resource type \(type): topics (2), brokers (4) and groups (32) have configurations.")
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
                    let keys = resource.configurationKeys.map { Set($0) }
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
            guard let topic = catalog.topic(named: name) else {
                throw ControlError(.unknownTopicOrPartition, "The topic '\(name)' does not exist.")
            }
            return ConfigDescriptions.topic(topic, server: controller.server, layers: controller.brokerLayers)
        case ResourceType.broker:
            try checkBroker(name)
            var layers = controller.brokerLayers
            guard name.isEmpty else { return ConfigDescriptions.broker(layers) + identity() }
            // As Kafka answers: what was altered for all, not what each broker has besides.
            layers.own = [:]
            return ConfigDescriptions.broker(layers).filter { layers.defaults[$0.name] != nil }.map { config in
                var config = config
                config.synonyms.removeAll { $0.source != .dynamicDefaultBroker }
                return config
            }
        case ResourceType.group:
            try ResourceType.checkGroup(name)
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
    private func checkBroker(_ name: String) throws(ControlError) {
        guard name.isEmpty || Int32(name) == nodeId else {
            throw ControlError(
                .invalidRequest,
                "Unexpected broker id, expected \(nodeId) or empty string, but received \(name)")
        }
    }

    private static func described(
        _ config: ConfigDescription, _ request: DescribeConfigsRequest
    ) -> DescribeConfigsResponse.DescribeConfigsResourceResult {
        var entry = DescribeConfigsResponse.DescribeConfigsResourceResult()
        entry.name = config.name
        entry.value = config.isUnset ? nil : config.value
        entry.readOnly = config.isReadOnly
        entry.configSource = config.source.rawValue
        entry.configType = config.type.rawValue
        entry.documentation = request.includeDocumentation ? config.documentation : nil
        if request.includeSynonyms {
            entry.synonyms = config.synonyms.map { synonym in
                var described = DescribeConfigsResponse.DescribeConfigsSynonym()
                described.name = synonym.name
                described.value = synonym.value
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
                    // Without a value the key goes back to its default, like one that is not named.
                    let alterations = resource.configs.map { config in
                        ConfigAlteration(
                            name: config.name, operation: config.value == nil ? .delete : .set, value: config.value)
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
            try controller.alterTopic(name, alterations, isIncremental: isIncremental, validateOnly: validateOnly)
        case ResourceType.broker:
            try checkBroker(name)
            try controller.alterBroker(
                alterations, isDefault: name.isEmpty, isIncremental: isIncremental, validateOnly: validateOnly)
        case ResourceType.group:
            try ResourceType.checkGroup(name)
            try controller.alterGroup(name, alterations, isIncremental: isIncremental, validateOnly: validateOnly)
        default: throw ResourceType.unsupported(type)
        }
    }

    func handleListConfigResources(_ request: ListConfigResourcesRequest, _ responder: Responder) {
        var response = ListConfigResourcesResponse()
        // Version 0 asked for client metrics resources only (16), of which there are none.
        let everything: [Int8] = responder.apiVersion == 0 ? [16] : [2, 4, 8, 16, 32]
        let types = responder.apiVersion == 0 || request.resourceTypes.isEmpty ? everything : request.resourceTypes
        guard types.allSatisfy(Set<Int8>([2, 4, 8, 16, 32]).contains) else {
            response.errorCode = ErrorCode.unsupportedVersion.rawValue
            return responder.send(response)
        }
        func add(_ name: String, _ type: Int8) {
            var resource = ListConfigResourcesResponse.ConfigResource()
            resource.resourceName = name
            resource.resourceType = type
            response.configResources.append(resource)
        }
        if types.contains(ResourceType.topic) {
            for topic in catalog.snapshot.sorted { add(topic.name, ResourceType.topic) }
        }
        if types.contains(ResourceType.group) {
            for group in controller.configuredGroups { add(group, ResourceType.group) }
        }
        if types.contains(ResourceType.broker) { add(String(nodeId), ResourceType.broker) }
        responder.send(response)
    }
}
