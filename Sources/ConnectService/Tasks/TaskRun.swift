import Cluster
import ConnectCore
import Observability

/// The life of one task, of a source or a sink.
protocol TaskRun: Sendable {
    var environment: TaskEnvironment { get }

    /// Makes the task, runs it until it is to stop, and gives back what it holds.
    ///
    /// - Throws: why the task has failed.
    func live() async throws
}

extension TaskRun {
    var control: TaskControl { environment.control }

    /// Returns when the task was stopped or has failed; both are told.
    func run() async {
        do {
            while control.isPaused, !control.isStopping {
                let generation = control.signal.generation
                guard control.isPaused, !control.isStopping else { break }
                await environment.report(.paused, nil)
                await control.signal.wait(after: generation)
            }
            if control.isStopping { return }
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
}
