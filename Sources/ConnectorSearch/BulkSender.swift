import ConnectCore
import HTTPCalls
import JSONFormat

/// Brings actions to the cluster, again and again those of which it says that they may work later.
struct BulkSender: Sendable {
    let settings: SearchSettings
    let client: SearchClient
    let typeName: String?
    let log: @Sendable (TaskLogLevel, String) -> Void

    /// An action that the server will never take.
    struct Refusal: Sendable {
        var action: DocumentAction
        var failure: ConnectError
        /// The document is at fault, not the request.
        var isMalformed: Bool
    }

    private static let malformed: Set<String> = [
        "mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception",
        "illegal_argument_exception", "action_request_validation_exception", "parsing_exception", "parse_exception",
    ]

    /// - Returns: what was refused.
    /// - Throws: `.connect` when the cluster does not take them in time.
    func send(_ actions: [DocumentAction]) async throws(ConnectError) -> [Refusal] {
        var open = actions
        var refusals: [Refusal] = []
        var attempt = 0
        while true {
            var body: [UInt8] = []
            body.reserveCapacity(open.reduce(0) { $0 + $1.byteCount })
            for action in open { action.append(to: &body, typeName: typeName) }
            let response = try await client.send("POST", "/_bulk", body, type: "application/x-ndjson")
            if response.status == 413, open.count > 1 {
                // More than the server takes at once.
                let half = open.count / 2
                refusals += try await send(Array(open[..<half]))
                refusals += try await send(Array(open[half...]))
                return refusals
            }
            guard response.isSuccess, let items = JSONValue.parse(response.body)?["items"]?.elements,
                items.count == open.count
            else {
                throw ConnectError(
                    .connect, "Bulk request failed: HTTP \(response.status): \(SearchClient.reason(response))")
            }
            var again: [DocumentAction] = []
            var reason = ""
            for (action, item) in zip(open, items) {
                switch judge(action, item) {
                case .done: break
                case .again(let why):
                    again.append(action)
                    reason = why
                case .refused(let refusal): refusals.append(refusal)
                }
            }
            if again.isEmpty { return refusals }
            guard attempt < settings.retryCountMax else {
                throw ConnectError(
                    .connect,
                    "Bulk request failed after \(attempt + 1) attempts for \(again.count) documents: \(reason)")
            }
            log(.warning, "\(again.count) of \(open.count) documents have to be sent again: \(reason)")
            try await client.rest(settings.schedule.pause(attempt))
            attempt += 1
            open = again
        }
    }

    private enum Judgement { case done, again(String), refused(Refusal) }

    private func judge(_ action: DocumentAction, _ item: JSONValue) -> Judgement {
        let result = item[action.kind.word]
        let status = result?["status"]?.integer ?? 0
        if 200..<300 ~= status { return .done }
        // What is not there need not be deleted.
        if action.kind == .delete, status == 404, result?["error"] == nil { return .done }
        let type = result?["error"]?["type"]?.text ?? "error"
        let words = "\(type): \(result?["error"]?["reason"]?.text ?? "no reason given")"
        if status == 409 {
            // A newer version is there, or the same document from before a restart.
            if action.version != nil || action.kind == .create { return .done }
            return .again(words)
        }
        if status == 429 || status >= 500 { return .again(words) }
        let failure = ConnectError(
            .connect,
            "Indexing record failed: index '\(action.index)', id '\(action.id ?? "")', HTTP \(status): \(words) "
                + "(\(DocumentMaker.place(action.record)))")
        return .refused(Refusal(action: action, failure: failure, isMalformed: Self.malformed.contains(type)))
    }
}
