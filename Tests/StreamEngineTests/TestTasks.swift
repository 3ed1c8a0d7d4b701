import Columns
import SQLPlan

@testable import StreamEngine

/// A plan as one task, or as a task for each of its parts with topics of one partition between them.
final class TestTasks {
    let parts: [QueryTask]
    let topology: SubTopologies
    private var offset: Int64 = 0

    static func name(_ topic: RepartitionTopic) -> String { "app-\(topic.name)-repartition" }

    init(
        _ plan: PhysicalPlan, functions: any FunctionLibrary, formats: any FormatLibrary, settings: EngineSettings,
        isSplit: Bool
    ) throws(EngineError) {
        topology = SubTopologies(plan)
        guard isSplit else {
            parts = [try QueryTask(plan, functions: functions, formats: formats, settings: settings)]
            return
        }
        var parts: [QueryTask] = []
        for part in topology.parts {
            parts.append(
                try QueryTask(
                    part, of: plan, functions: functions, formats: formats, settings: settings,
                    topicName: Self.name))
        }
        self.parts = parts
    }

    /// Processes records with all their consequences.
    func process(_ batch: SourceBatch) -> QueryTask.Output {
        var result = QueryTask.Output(records: [], rows: [], log: [], failure: nil)
        for part in parts where part.topics.contains(batch.topic) {
            let output = part.process(batch)
            result.add(rows: output.rows, log: output.log, failure: output.failure)
            for sent in output.records {
                guard parts.contains(where: { $0.topics.contains(sent.topic) && sent.topic.hasPrefix("app-") }) else {
                    result.records.append(sent)
                    continue
                }
                let offsets = (0..<sent.count).map { offset + Int64($0) }
                offset += Int64(sent.count)
                let through = process(
                    SourceBatch(
                        topic: sent.topic, keys: sent.keys, values: sent.values, timestamps: sent.timestamps,
                        offsets: ColumnBuffer(offsets)))
                result.records += through.records
                result.add(rows: through.rows, log: through.log, failure: through.failure)
            }
        }
        return result
    }
}

extension QueryTask.Output {
    fileprivate mutating func add(rows: [Batch], log: [ProcessingLogEntry], failure: EngineError?) {
        self.rows += rows
        self.log += log
        if self.failure == nil { self.failure = failure }
    }
}
