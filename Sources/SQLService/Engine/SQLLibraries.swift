import Environment
import SQLFormats
package import SQLFunctions
package import SQLRuntime
package import SQLTypes
import StreamEngine

/// What queries are run with: functions and formats, made anew for each task.
package enum SQLLibraries {
    /// - Parameter schemas: nil when there is no registry.
    package static func make(
        schemas: SQLSchemas?, zones: TimeZones, functions: FunctionCatalog = .builtIn
    ) -> @Sendable (_ properties: [String: String]) -> EngineLibraries {
        { properties in
            var context = EvaluationContext(
                now: { SystemWallClock().now() }, random: { UInt64.random(in: .min ... .max) }, zones: zones)
            context.limits = FunctionLimits(properties: properties)
            return EngineLibraries(
                functions: SQLFunctionLibrary(functions, context: context),
                formats: SQLFormatLibrary(RecordFormats(schemas: schemas), zones: zones))
        }
    }
}
