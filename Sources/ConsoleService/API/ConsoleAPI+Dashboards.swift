import HTTPKit
import HTTPTypes
import JSONFormat

/// Saved dashboards.
extension ConsoleAPI {
    func addDashboards(_ router: inout HTTPRouter) {
        let store = console.dashboards
        let now = console.now
        on(.get, "/api/dashboards", &router) { _ in
            .json(
                .array(
                    try await store.all().map { dashboard in
                        .object([
                            ("id", dashboard["id"] ?? .null), ("title", dashboard["title"] ?? .null),
                            ("updated", dashboard["updated"] ?? .null),
                            ("panels", .number(Int64(dashboard["panels"]?.elements?.count ?? 0))),
                        ])
                    }))
        }
        on(.get, "/api/dashboards/{id}", &router) { call in
            guard let dashboard = try await store.find(call.parameter("id")) else { throw Self.noDashboard(call) }
            return .json(dashboard)
        }
        on(.put, "/api/dashboards/{id}", &router) { call in
            do {
                return .json(try await store.put(call.parameter("id"), try await call.json(), at: now()))
            } catch let refusal as DashboardStore.Refusal {
                throw HTTPFailure(refusal.isConflict ? .conflict : .badRequest, refusal.message)
            }
        }
        on(.delete, "/api/dashboards/{id}", &router) { call in
            guard try await store.remove(call.parameter("id")) else { throw Self.noDashboard(call) }
            return .empty()
        }
    }

    private static func noDashboard(_ call: HTTPCall) -> HTTPFailure {
        HTTPFailure(.notFound, "there is no dashboard '\(call.parameter("id"))'")
    }
}
