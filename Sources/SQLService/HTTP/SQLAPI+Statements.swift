import HTTPKit
import HTTPTypes
import JSONFormat
import Observability

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
        post("/heartbeat", offers: Self.offered) { _, body, type throws(KsqlFailure) in
            guard let info = body["hostInfo"], let host = info["host"]?.text, let port = info["port"]?.integer else {
                throw .badRequest("A heartbeat has a 'hostInfo' with 'host' and 'port'")
            }
            engine.peers.hear("\(host):\(port)", at: WallClock.milliseconds())
            return .json(.object([("ok", .bool(true))]), contentType: type.rawValue)
        }
        post("/lag", offers: Self.offered) { _, body, type throws(KsqlFailure) in
            guard let info = body["ksqlHost"], let host = info["host"]?.text, let port = info["port"]?.integer,
                let lags = body["hostStoreLags"], lags.members != nil
            else { throw .badRequest("A report has a 'ksqlHost' with 'host' and 'port', and 'hostStoreLags'") }
            engine.peers.report("\(host):\(port)", lags)
            return .json(.object([("ok", .bool(true))]), contentType: type.rawValue)
        }
    }
}

extension SQLEngine {
    /// Ends all queries, deletes topics of streams and tables, and the command topic.
    ///
    /// - Parameter topics: names, or patterns with `.*`.
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
