import KafkaMessages

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
