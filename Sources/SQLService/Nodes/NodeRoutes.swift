import Environment
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import SQLRuntime
import StreamEngine

extension SQLAPI {
    /// Routes of nodes among themselves: heartbeats, how far state is, rows of tables, statuses of queries.
    mutating func addNodes() {
        let engine = engine
        post("/heartbeat", offers: Self.offered) { _, body, type throws(KsqlFailure) in
            guard let info = body["hostInfo"], let host = info["host"]?.text, let port = info["port"]?.integer else {
                throw .badRequest("A heartbeat has a 'hostInfo' with 'host' and 'port'")
            }
            engine.peers.hear("\(host):\(port)", at: SystemWallClock().now())
            return .json(.object([("ok", .bool(true))]), contentType: type.rawValue)
        }
        post("/lag", offers: Self.offered) { _, body, type throws(KsqlFailure) in
            guard let info = body["ksqlHost"], let host = info["host"]?.text, let port = info["port"]?.integer,
                let lags = body["hostStoreLags"], lags.members != nil
            else { throw .badRequest("A report has a 'ksqlHost' with 'host' and 'port', and 'hostStoreLags'") }
            engine.peers.report("\(host):\(port)", lags)
            return .json(.object([("ok", .bool(true))]), contentType: type.rawValue)
        }
        on(.post, NodeMessage.path) { call in
            do {
                let question = try NodeMessage.question(try await call.bytes())
                let answer: Result<NodeMessage.Rows, RunError>
                do throws(RunError) {
                    answer = .success(
                        try await engine.runner.read(
                            question.read, of: question.query, partitions: question.partitions))
                } catch { answer = .failure(error) }
                let bytes = Array(NodeMessage.encode(answer).readableBytesView)
                return .bytes(bytes, contentType: "application/octet-stream")
            } catch let error as NodeMessage.Malformed {
                return Self.answer(.badRequest("The request is not one of nodes: \(error)"))
            }
        }
        post(NodeStatus.path, offers: Self.offered) { (_, _, type) throws(KsqlFailure) in
            .json(await engine.nodeStatus().json, contentType: type.rawValue)
        }
    }
}
