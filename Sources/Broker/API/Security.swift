import KafkaMessages

/// Who may do what is not kept here: the answers are those of a Kafka broker without an authorizer, which tools know how to
/// show.
extension BrokerNode {
    private static let noAuthorizer = "No Authorizer is configured."

    func handleDescribeAcls(_ request: DescribeAclsRequest, _ responder: Responder) {
        responder.send(
            DescribeAclsResponse(errorCode: ErrorCode.securityDisabled.rawValue, errorMessage: Self.noAuthorizer))
    }

    func handleCreateAcls(_ request: CreateAclsRequest, _ responder: Responder) {
        let refusal = CreateAclsResponse.AclCreationResult(
            errorCode: ErrorCode.securityDisabled.rawValue, errorMessage: Self.noAuthorizer)
        responder.send(CreateAclsResponse(results: request.creations.map { _ in refusal }))
    }

    func handleDeleteAcls(_ request: DeleteAclsRequest, _ responder: Responder) {
        let refusal = DeleteAclsResponse.DeleteAclsFilterResult(
            errorCode: ErrorCode.securityDisabled.rawValue, errorMessage: Self.noAuthorizer)
        responder.send(DeleteAclsResponse(filterResults: request.filters.map { _ in refusal }))
    }
}
