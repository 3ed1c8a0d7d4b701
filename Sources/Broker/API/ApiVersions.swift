import KafkaMessages

/// Features of the cluster whose level clients go by (KIP-584). All are at their highest level for good.
enum Features {
    struct Feature: Sendable {
        var name: String
        var levelMin: Int16
        var level: Int16
    }

    static let all = [
        // 1: groups of the consumer protocol (KIP-848).
        Feature(name: "group.version", levelMin: 0, level: 1),
        // 4.3-IV0, of which Kafka this broker is; tools tell the version of a cluster by it. 7 is 3.3-IV3.
        Feature(name: "metadata.version", levelMin: 7, level: 30),
        // 1: share groups (KIP-932).
        Feature(name: "share.version", levelMin: 0, level: 1),
        // 1: streams groups (KIP-1071).
        Feature(name: "streams.version", levelMin: 0, level: 1),
        // 2: every transaction has an epoch of its own (KIP-890).
        Feature(name: "transaction.version", levelMin: 0, level: 2),
    ]

    /// Why a feature cannot be brought to a level, in the words of Kafka's controller; nil when it is there already.
    ///
    /// - Parameter type: 1 an upgrade, 2 a downgrade that loses nothing, 3 any.
    static func problem(_ name: String, level: Int16, _ type: Int8, nodeId: Int32) -> String? {
        guard 1...3 ~= type else { return "The controller does not support the given upgrade type." }
        if level < 0 { return "A feature version cannot be less than 0." }
        guard let feature = all.first(where: { $0.name == name }) else {
            return "Local controller \(nodeId) does not support this feature."
        }
        if !(feature.levelMin...feature.level ~= level) {
            return "Local controller \(nodeId) only supports versions \(feature.levelMin)-\(feature.level)"
        }
        if level == feature.level { return nil }
        return type == 1
            ? "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."
            : "This broker keeps every feature at its highest version."
    }
}

extension BrokerNode {
    func handleApiVersions(_ request: ApiVersionsRequest, _ connection: Connection, _ responder: Responder) {
        var response = ApiVersionsResponse()
        if responder.apiVersion >= 3 {
            // KIP-511: names are checked so that they can go into metrics and logs.
            guard Self.isSoftwareName(request.clientSoftwareName), Self.isSoftwareName(request.clientSoftwareVersion)
            else {
                response.errorCode = ErrorCode.invalidRequest.rawValue
                return responder.send(response)
            }
            connection.clientSoftwareName = request.clientSoftwareName
            connection.clientSoftwareVersion = request.clientSoftwareVersion
        }
        response.apiKeys = OfferedApis.list
        if responder.apiVersion >= 3 {
            // Clients of version 3 fail on a feature whose lowest level is 0 (KAFKA-17011).
            response.supportedFeatures = Features.all.map { feature in
                var key = ApiVersionsResponse.SupportedFeatureKey()
                key.name = feature.name
                key.minVersion = responder.apiVersion >= 4 ? feature.levelMin : max(1, feature.levelMin)
                key.maxVersion = feature.level
                return key
            }
            response.finalizedFeaturesEpoch = 0
            response.finalizedFeatures = Features.all.map { feature in
                var key = ApiVersionsResponse.FinalizedFeatureKey()
                key.name = feature.name
                key.minVersionLevel = feature.level
                key.maxVersionLevel = feature.level
                return key
            }
        }
        responder.send(response)
    }

    /// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
    private static func isSoftwareName(_ name: String) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        guard let first = name.utf8.first, let last = name.utf8.last, isAlphanumeric(first), isAlphanumeric(last)
        else { return false }
        return name.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }
}
