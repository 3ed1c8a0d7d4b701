import Cluster
import Logging
import SQLPlan
import StreamEngine

/// Why a task has ended.
enum TaskFailure: Sendable {
    case cluster(ClusterError)
    /// - Parameter isAlone: everything before the batch is committed.
    case engine(EngineError, SourceBatch, isAlone: Bool)
    case memory(bytes: Int, most: Int, isOfAll: Bool)
}

/// Which part of a query a task is, and what it reads.
struct TaskPlace: Sendable {
    var part: SubTopologies.Part
    var partition: Int32
    var partitions: [TopicPartition]
}

/// What the tasks of one run of a query share.
struct TaskEnvironment: Sendable {
    var plan: PhysicalPlan
    var topology: SubTopologies
    var applicationID: String
    var propertyTexts: [String: String]
    var properties: QueryProperties
    var settings: RuntimeSettings
    var cluster: any Cluster
    /// Of the query.
    var account: StateAccount
    /// Of all topics that are written to.
    var partitionCounts: [String: Int32]
    /// `max.message.bytes` of the topic that results go to.
    var messageByteCountsMax: [String: Int] = [:]
    var logger: Logger
    /// Who this node is in the query's group; nil when it is in none.
    var member: (@Sendable () async -> GroupIdentity)?
    /// Called on the task's worker.
    var failed: @Sendable (TaskRun, TaskFailure) -> Void
    var committed: @Sendable () -> Void

    /// A task without state.
    func engine(of place: TaskPlace) throws(RunError) -> QueryTask {
        let libraries = settings.libraries(propertyTexts)
        var engineSettings = settings.engineSettings(propertyTexts)
        engineSettings.capturesChanges = true
        do throws(EngineError) {
            if topology.parts.count == 1 {
                return try QueryTask(
                    plan, functions: libraries.functions, formats: libraries.formats, settings: engineSettings)
            }
            return try QueryTask(
                place.part, of: plan, functions: libraries.functions, formats: libraries.formats,
                settings: engineSettings, topicName: topicName)
        } catch {
            throw RunError(.invalidPlan, error.message)
        }
    }

    func topicName(_ topic: RepartitionTopic) -> String { "\(applicationID)-\(topic.name)-repartition" }
    func changelogName(_ store: String) -> String { "\(applicationID)-\(store)-changelog" }
    func store(ofChangelog topic: String) -> String {
        String(topic.dropFirst(applicationID.count + 1).dropLast("-changelog".count))
    }
}
