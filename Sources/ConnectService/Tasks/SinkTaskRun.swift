import Cluster
import ConnectCore
import Observability

/// The life of one task of a sink: a place in the group `connect-NAME`, records of its partitions to the task, and
/// offsets of what the task has brought to its target.
struct SinkTaskRun: Sendable {
    let environment: TaskEnvironment
    let plugin: any SinkPlugin

    private var control: TaskControl { environment.control }

    /// Returns when the task was stopped or has failed; both are told.
    func run() async {
        do {
            try await live()
        } catch let failure as TaskFailure {
            await fail(failure)
        } catch let error as ConnectError {
            await fail(TaskFailure(error, at: "\(environment.taskClass).start"))
        } catch let error as ClusterError {
            await fail(TaskFailure(ConnectError(error)))
        } catch {
            if control.isStopping { return }
            await fail(TaskFailure(ConnectError(.connect, "\(error)")))
        }
    }

    private func fail(_ failure: TaskFailure) async {
        environment.parts.figures.failures.add()
        environment.log(.error, "task failed: \(failure)")
        await environment.report(.failed, failure)
    }

    /// The group whose offsets say how far a sink has come.
    static func group(_ connector: String, _ properties: [String: String], _ settings: WorkerSettings) -> String {
        settings.client("consumer", "group.id", properties) ?? "connect-\(connector)"
    }

    private func live() async throws {
        while control.isPaused, !control.isStopping {
            let generation = control.signal.generation
            guard control.isPaused, !control.isStopping else { break }
            await environment.report(.paused, nil)
            await control.signal.wait(after: generation)
        }
        guard !control.isStopping else { return }
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
