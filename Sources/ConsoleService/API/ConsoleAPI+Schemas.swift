import HTTPKit
import HTTPTypes
import JSONFormat
import NIOHTTP1

/// What the registry cannot be asked without an error.
extension ConsoleAPI {
    func addSchemas(_ router: inout HTTPRouter) {
        let registry = UpstreamClient(upstream: .registry, addresses: console.settings.addresses(.registry))
        // The level of a subject's own, also where it is the general one, and null where it has none: the registry then
        // answers 404, which browsers take for a mishap.
        on(.get, "/api/subjects/{subject}/compatibility", &router) { call in
            do throws(UpstreamClient.Failure) {
                let general = try await registry.json(.GET, ["config"])["compatibilityLevel"] ?? .null
                let own = try await Self.level(of: call.parameter("subject"), registry)
                return .json(.object([("own", own), ("general", general)]))
            } catch {
                throw switch error {
                case .absent:
                    HTTPFailure(.notFound, "there is no \(registry.upstream.title) here", code: 40401)
                default: HTTPFailure(.badGateway, error.words, code: 50201)
                }
            }
        }
    }

    private static func level(
        of subject: String, _ registry: UpstreamClient
    ) async throws(UpstreamClient.Failure) -> JSONValue {
        do throws(UpstreamClient.Failure) {
            return try await registry.json(.GET, ["config", subject])["compatibilityLevel"] ?? .null
        } catch {
            guard case .refused(404, _) = error else { throw error }
            return .null
        }
    }
}
