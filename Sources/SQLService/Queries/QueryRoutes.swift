import HTTPKit
import HTTPTypes
import JSONFormat

extension SQLAPI {
    /// Routes of queries: `/query`, `/query-stream`, `/close-query`, `/inserts-stream`, `/ws/query`.
    mutating func addQueries() {
        let service = QueryService(engine)
        let engine = engine
        let queryTypes: [MediaType] = [.json, .plainJSON, .delimited, .protobuf]
        let streamTypes: [MediaType] = [.delimited, .plainJSON, .json, .protobuf]
        quickPulls("/query", members: ("ksql", "streamsProperties"), offers: queryTypes, service)
        quickPulls("/query-stream", members: ("sql", "properties"), offers: streamTypes, service)
        post("/query", offers: queryTypes, traits: .isShort) {
            (_, body, type) throws(KsqlFailure) in
            guard let text = body["ksql"]?.text else {
                throw .badRequest("The request has no statement: 'ksql' is the text of one SELECT or PRINT")
            }
            let form = ResultWriter.Form(type, on: "/query")
            return try await service.answer(text, try RequestContext(body), form, on: "/query")
        }
        post("/query-stream", offers: streamTypes, traits: .isShort) {
            (_, body, type) throws(KsqlFailure) in
            guard let text = body["sql"]?.text else {
                throw .badRequest("The request has no statement: 'sql' is the text of one SELECT or PRINT")
            }
            let context = try RequestContext(body, propertiesName: "properties")
            let form = ResultWriter.Form(type, on: "/query-stream")
            return try await service.answer(text, context, form, on: "/query-stream")
        }
        post("/close-query", offers: MediaType.allCases) { (_, body, _) throws(KsqlFailure) in
            guard let id = body["queryId"]?.text else {
                throw .badRequest("The request names no query: 'queryId' is its id")
            }
            guard await engine.transients.cancel(id) != nil else { throw .badRequest("No query with id \(id)") }
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

extension ResultWriter.Form {
    /// How a result of `/query` or `/query-stream` is written.
    init(_ type: MediaType, on path: String) {
        self =
            switch type {
            case .delimited: .lines
            case .protobuf: .protobuf
            case .plainJSON where path == "/query-stream": .array
            case .json, .plainJSON: .rows
            }
    }
}
