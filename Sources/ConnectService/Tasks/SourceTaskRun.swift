import Cluster
import ConnectCore
import NIOCore

/// The life of one task of a source: polls, transforms, converts, writes, and stores offsets once the records are
/// written.
///
/// With exactly-once delivery records and offsets are one transaction, so that a task that goes on elsewhere finds
/// either both or neither. Without it, offsets are stored after their records: what was written since comes again.
struct SourceTaskRun: TaskRun {
    let environment: TaskEnvironment
    let plugin: any SourcePlugin

    func live() async throws {
        let values = try ConnectorConfig.definition(.source, environment.connector, version: plugin.version)
            .parse(environment.connector)
        let isTransactional = Self.isTransactional(plugin, environment)
        if isTransactional, let problem = ConnectorValidation.boundaryProblem(environment.connector, plugin) {
            throw ConnectError(.config, problem.message)
        }
        let policy = ErrorPolicy(values)
        let pipeline = try SourcePipeline(environment, policy)
        let context = SourceContext(environment, pipeline)
        let task = try plugin.makeTask(environment.properties, context)
        let work = SourceWork(
            environment, task, pipeline, policy, values, isTransactional: isTransactional)
        do {
            try await work.open()
            do throws(ConnectError) {
                try await task.start()
            } catch {
                throw TaskFailure(error, at: "\(environment.taskClass).start")
            }
            try await work.loop()
        } catch {
            await work.abandon()
            await task.stop()
            throw error
        }
        await work.close()
        await task.stop()
    }

    private static func isTransactional(_ plugin: any SourcePlugin, _ environment: TaskEnvironment) -> Bool {
        let settings = environment.parts.settings
        guard settings.exactlyOnce == .enabled else { return false }
        return settings.properties["exactly.once.source.support"] != nil
            || plugin.supportsExactlyOnce(environment.connector)
    }
}

/// What the worker offers to a task of a source.
private struct SourceContext: SourceTaskContext {
    private let environment: TaskEnvironment
    private let pipeline: SourcePipeline

    init(_ environment: TaskEnvironment, _ pipeline: SourcePipeline) {
        self.environment = environment
        self.pipeline = pipeline
    }

    var identity: TaskIdentity { environment.identity }
    var now: Int64 { environment.parts.now() }

    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap? {
        let wanted = SourceOffsets.identity(try SourceOffsets.json(partition))
        for found in try await stored() where SourceOffsets.identity(try SourceOffsets.json(found.partition)) == wanted
        {
            return found.offset
        }
        return nil
    }

    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)] {
        try await stored().compactMap { found in found.offset.map { (found.partition, $0) } }
    }

    private func stored() async throws(ConnectError) -> [SourceOffset] {
        do {
            return try await environment.parts.offsets.offsets(of: identity.connector, environment.connector)
        } catch {
            throw ConnectError(.retriable, "the offsets of connector \(identity.connector) cannot be read: \(error)")
        }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) { environment.log(level, message()) }
    func requestReconfiguration() { environment.reconfigure() }

    func writing(
        topic: String, key: ConnectSchema?, value: ConnectSchema
    ) async throws(ConnectError) -> RecordWriting? {
        try await pipeline.writing(topic: topic, key: key, value: value)
    }
}
