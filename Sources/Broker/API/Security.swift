import KafkaMessages

/// There are no users here: the answers are those of a Kafka broker without any.
extension BrokerNode {
    /// There are no users; null or an empty list asks for all of them.
    func handleDescribeUserScramCredentials(
        _ request: DescribeUserScramCredentialsRequest, _ responder: Responder
    ) {
        var response = DescribeUserScramCredentialsResponse(errorMessage: nil)
        for user in request.users ?? [] {
            response.results.append(
                .init(
                    user: user.name, errorCode: ErrorCode.resourceNotFound.rawValue,
                    errorMessage: "Attempt to describe a user credential that does not exist: \(user.name)"))
        }
        responder.send(response)
    }
}
