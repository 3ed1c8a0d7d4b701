import HTTPKit
import HTTPTypes
import JSONFormat
import Observability
import SchemaRules

/// `/ksql` and what changes the cluster.
extension SQLAPI {
    mutating func addStatements(_ figures: SQLFigures?) {
        let engine = engine
        post("/ksql", offers: Self.offered) { _, body, type throws(KsqlFailure) in
            do throws(KsqlFailure) {
                guard let text = body["ksql"]?.text else { throw .badRequest("The request has no 'ksql'") }
                let context = try RequestContext(body)
                let entities = try await StatementRequest(engine).run(text, context)
                figures?.statements.add(Int64(max(1, entities.count)))
                return .json(.array(entities), contentType: type.rawValue)
            } catch {
                figures?.failedStatements.add()
                throw error
            }
        }
        post("/ksql/terminate", offers: Self.offered) { _, body, type throws(KsqlFailure) in
            try engine.checkReady()
            let topics = body["deleteTopicList"]?.elements?.compactMap(\.text) ?? []
            if let pattern = TopicPatterns.invalid(among: topics) {
                throw .badRequest("Invalid pattern: \(pattern)")
            }
            let offset = try await engine.terminate(deleting: topics)
            let status = CommandStatus(status: .queued, message: "Statement written to command topic")
            return .json(
                .array([
                    .object([
                        ("@type", .string("currentStatus")), ("statementText", .string("TERMINATE CLUSTER;")),
                        ("commandId", .string(CommandID.terminateCluster.description)),
                        ("commandStatus", StatementRequest.json(status)),
                        ("commandSequenceNumber", .number(offset)), ("warnings", .array([])),
                    ])
                ]), contentType: type.rawValue)
        }
        post("/impact", offers: Self.offered) { _, body, type throws(KsqlFailure) in
            let question: ImpactQuestion
            do throws(SchemaFailure) { question = try ImpactQuestion(body) } catch { throw .badRequest(error.message) }
            return .json(try await engine.impact(of: question).json, contentType: type.rawValue)
        }
    }
}

extension SQLEngine {
    /// Ends all queries, deletes topics that they wrote, and the command topic.
    ///
    /// - Parameter topics: regular expressions for whole names.
    /// - Returns: the offset of the command.
    func terminate(deleting topics: [String]) async throws(KsqlFailure) -> Int64 {
        guard settings.script == nil else {
            throw .badRequest("The server runs in headless mode and has no command topic")
        }
        let offset = try await log.write { number throws(KsqlFailure) in
            var command = Command(.terminateCluster, "TERMINATE CLUSTER;")
            command.deletedTopics = topics
            command.number = number
            command.surroundings = Surroundings()
            return command
        }
        return offset ?? -1
    }
}
