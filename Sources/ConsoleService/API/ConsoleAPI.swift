import Bytes
import Cluster
package import HTTPKit
import HTTPTypes
import JSONFormat

/// The console's HTTP API, and the way of every request: who may ask, what is answered, with which headers.
package struct ConsoleAPI: Sendable {
    let console: Console

    package init(_ console: Console) { self.console = console }

    package func router() -> HTTPRouter {
        var router = HTTPRouter(errors: ConsoleGuard.errors)
        let console = console
        on(.get, "/api/about", &router) { _ in .json(await Self.about(console)) }
        addOverview(&router)
        addTopics(&router)
        addMessages(&router)
        addGroups(&router)
        addDeadLetters(&router)
        addDashboards(&router)
        addInbox(&router)
        addSchemas(&router)
        addQuerySocket(&router)
        for upstream in ConsoleUpstream.allCases {
            let proxy = ServiceProxy(upstream, console.settings)
            let prefix = "/api/" + upstream.rawValue
            for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete] {
                for pattern in [prefix, prefix + "/{path*}"] {
                    on(method, pattern, bodyByteCountMax: ServiceProxy.bodyByteCountMax, &router) { call in
                        try await proxy.answer(call, prefix: prefix)
                    }
                }
            }
        }
        on(.get, "/api/{path*}", &router) { call in
            throw HTTPFailure(.notFound, "there is nothing at \(call.path)")
        }
        for pattern in ["/", "/{path*}"] {
            router.get(pattern) { call in
                try console.guardian.check(call)
                return try console.pages.answer(call)
            }
        }
        return router
    }

    typealias Handler = @Sendable (HTTPCall) async throws -> HTTPAnswer

    /// A part of the API: requests are checked, errors of the cluster become HTTP's, answers are hardened.
    ///
    /// - Parameter isHook: whether other programs send it, which know nothing of our header.
    func on(
        _ method: HTTPRequest.Method, _ pattern: String, bodyByteCountMax: Int? = nil, isHook: Bool = false,
        _ router: inout HTTPRouter, _ handler: @escaping Handler
    ) {
        let guardian = console.guardian
        router.on(method, pattern, bodyByteCountMax: bodyByteCountMax) { call in
            try guardian.check(call, isHook: isHook)
            do {
                var answer = try await handler(call)
                ConsoleGuard.harden(&answer, isPage: false)
                return answer
            } catch let error as ClusterError {
                throw Self.failure(error)
            }
        }
    }

    static func failure(_ error: ClusterError) -> HTTPFailure {
        let status: HTTPResponse.Status
        switch error.code {
        case .unknownTopicOrPartition, .groupIdNotFound: status = .notFound
        case .topicAlreadyExists, .nonEmptyGroup, .groupSubscribedToTopic: status = .conflict
        case .brokerNotAvailable, .networkException, .coordinatorNotAvailable, .leaderNotAvailable:
            status = .serviceUnavailable
        case .requestTimedOut: status = .gatewayTimeout
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .saslAuthenticationFailed, .topicDeletionDisabled, .policyViolation:
            status = .forbidden
        case .unknownServerError, .kafkaStorageError: status = .internalServerError
        default: status = .badRequest
        }
        return HTTPFailure(
            status, error.message + (error.hint.map { ": " + $0 } ?? ""), code: status.code * 100)
    }

    private static func about(_ console: Console) async -> JSONValue {
        let settings = console.settings
        // Only the id is missing when no broker answers.
        let id = try? await console.cluster.describeCluster().id
        func service(_ upstream: ConsoleUpstream) -> JSONValue {
            let addresses = settings.addresses(upstream).map(\.description)
            return .object([("url", addresses.isEmpty ? .null : .string(addresses.joined(separator: ",")))])
        }
        return .object([
            ("version", .string(settings.version)), ("build", .string(settings.build)),
            ("started_at", .number(console.startedAt)),
            ("cluster_id", .string(id)), ("read_only", .bool(false)),
            ("query_socket", .bool(true)),
            (
                "services",
                .object([
                    (
                        "kafka",
                        .object([
                            ("address", .string(settings.kafkaAddress)), ("embedded", .bool(settings.isEmbedded)),
                        ])
                    ),
                    ("registry", service(.registry)), ("connect", service(.connect)), ("sql", service(.sql)),
                ])
            ),
            ("inbox", .bool(settings.hasInbox)),
        ])
    }
}
