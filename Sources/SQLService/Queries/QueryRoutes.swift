import HTTPKit
import HTTPTypes
import JSONFormat

extension SQLAPI {
    /// Routes of queries: `/query`, `/query-stream`, `/close-query`, `/inserts-stream`, `/ws/query`.
    mutating func addQueries() {
        let service = QueryService(engine)
        let engine = engine
        post("/query", offers: [.json, .plainJSON, .delimited, .protobuf], traits: .isShort) {
            (_, body, type) throws(KsqlFailure) in
            guard let text = body["ksql"]?.text else {
                throw .badRequest("The request has no statement: 'ksql' is the text of one SELECT or PRINT")
            }
            let form: ResultWriter.Form =
                switch type {
                case .delimited: .lines
                case .protobuf: .protobuf
                case .json, .plainJSON: .rows
                }
            return try await service.answer(text, try RequestContext(body), form, on: "/query")
        }
        post("/query-stream", offers: [.delimited, .plainJSON, .json, .protobuf], traits: .isShort) {
            (_, body, type) throws(KsqlFailure) in
            guard let text = body["sql"]?.text else {
                throw .badRequest("The request has no statement: 'sql' is the text of one SELECT or PRINT")
            }
            let form: ResultWriter.Form =
                switch type {
                case .delimited: .lines
                case .plainJSON: .array
                case .json: .rows
                case .protobuf: .protobuf
                }
            let context = try RequestContext(body, propertiesName: "properties")
            return try await service.answer(text, context, form, on: "/query-stream")
        }
        post("/close-query", offers: MediaType.allCases) { (_, body, _) throws(KsqlFailure) in
            guard let id = body["queryId"]?.text else {
                throw .badRequest("The request names no query: 'queryId' is its id")
            }
            guard await engine.transients.cancel(id) else { throw .badRequest("No query with id \(id)") }
            return .empty(.ok)
        }
        let inserts = InsertsStream(engine: engine)
        on(.post, "/inserts-stream", traits: .hasEndlessBody) { call in
            do throws(KsqlFailure) { return try await inserts.answer(call) } catch { return Self.answer(error) }
        }
        let sockets = QuerySocket(service: service)
        webSocket("/ws/query") { call, socket in await sockets.serve(call, socket) }
    }
}
