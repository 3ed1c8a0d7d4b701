import Cluster
import ConnectCore

/// The life of one task of a sink: a place in the group `connect-NAME`, records of its partitions to the task, and
/// offsets of what the task has brought to its target.
struct SinkTaskRun: TaskRun {
    let environment: TaskEnvironment
    let plugin: any SinkPlugin

    /// The group whose offsets say how far a sink has come.
    static func group(_ connector: String, _ properties: [String: String], _ settings: WorkerSettings) -> String {
        settings.client("consumer", "group.id", properties) ?? "connect-\(connector)"
    }

    func live() async throws {
        let values = try ConnectorConfig.definition(.sink, environment.connector, version: plugin.version)
            .parse(environment.connector)
        let policy = ErrorPolicy(values)
        let letters = DeadLetters(environment, values, policy)
        let work = try SinkWork(environment, values, policy, letters)
        let task = try plugin.makeTask(environment.properties, work.context)
        do {
            try await letters.open()
            do throws(ConnectError) {
                try await task.start()
            } catch {
                throw TaskFailure(error, at: "\(environment.taskClass).start")
            }
            try await work.run(task)
        } catch {
            await task.stop()
            await letters.close()
            throw error
        }
        await task.stop()
        await letters.close()
    }
}
