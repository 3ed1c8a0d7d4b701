package import Cluster
package import Logging
package import SQLFormats
package import SQLFunctions
package import SQLPlan
package import SQLRuntime
package import SQLTypes
import Synchronization

/// What the SQL server knows and does, without HTTP: catalog, functions, the cluster, and what runs queries.
package final class SQLEngine: Sendable {
    package let settings: SQLServerSettings
    package let cluster: any Cluster
    package let runner: any QueryRunner
    /// nil: formats with a registry are refused. Its answers block: never ask from the cooperative pool.
    package let schemas: SQLSchemas?
    package let functions: FunctionCatalog
    package let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var catalog = Catalog()
    }

    package init(
        _ cluster: any Cluster, _ runner: any QueryRunner, schemas: (any SchemaSource)?, _ settings: SQLServerSettings,
        functions: FunctionCatalog = .builtIn, logger: Logger
    ) {
        self.settings = settings
        self.cluster = cluster
        self.runner = runner
        self.schemas = schemas.map { SQLSchemas($0) }
        self.functions = functions
        self.logger = logger
    }

    /// The catalog as of the last statement that was executed: a value, safe to keep.
    package var current: Catalog { state.withLock { $0.catalog } }

    /// The server's properties with those of a session over them.
    package func configuration(_ context: RequestContext) -> SQLConfiguration {
        SQLConfiguration(settings.properties).overridden(by: context.properties)
    }

    /// What planning needs. Its topics and registry block: for threads of one's own, see `onThread`.
    package func environment(_ context: RequestContext) -> StatementEnvironment {
        StatementEnvironment(
            functions: functions, topics: ClusterTopics(cluster),
            registry: schemas.map { StatementSchemas(schemas: $0) },
            translation: FormatTranslation(), configuration: configuration(context), now: WallClock.milliseconds(),
            random: { UInt64.random(in: .min ... .max) }, zones: settings.zones)
    }

    /// Runs `body`, which may block and take long, on a thread of its own.
    package func work<Value: Sendable>(
        _ body: @escaping @Sendable () throws(KsqlFailure) -> Value
    ) async throws(KsqlFailure) -> Value {
        let result: Result<Value, KsqlFailure>
        do {
            result = try await onThread {
                do throws(KsqlFailure) { return .success(try body()) } catch { return .failure(error) }
            }
        } catch { throw .server("\(error)") }  // `onThread` throws only what its body does
        return try result.get()
    }
}
