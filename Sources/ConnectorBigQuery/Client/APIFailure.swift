import ConnectCore
import HTTPCalls
import JSONFormat

/// Why BigQuery refused a request: what reactions depend on.
///
/// - SeeAlso: the original's `BigQueryErrorResponses`; BigQuery's "Error messages".
struct APIFailure: Sendable {
    var status: Int
    /// Empty when the answer does not say it.
    var reason: String
    var message: String

    init(_ response: HTTPCaller.Response) {
        status = response.status
        let error = JSONValue.parse(response.body)?["error"]
        reason = error?["errors"]?.elements?.first?["reason"]?.text ?? ""
        message = error?["message"]?.text ?? ""
    }

    var description: String {
        "HTTP \(status)" + (reason.isEmpty ? "" : " \(reason)") + (message.isEmpty ? "" : ": \(message.prefix(1000))")
    }

    /// Sending the same again may work.
    var isPassing: Bool {
        status == 429 || status >= 500
            || status == 403 && ["quotaExceeded", "rateLimitExceeded", "backendError"].contains(reason)
            || isOfJob && message.contains("Could not serialize access to")
            || isOfJob && ["jobBackendError", "jobInternalError"].contains(reason)
            || status == 200
                && ["backendError", "internalError", "rateLimitExceeded", "quotaExceeded"].contains(reason)
    }

    /// A query has ended with it, whatever it is asked. Errors may also stand in an answer 200.
    var isOfJob: Bool { status == 400 || status == 200 }

    /// The table is not there, or not yet. A dataset that is not there is another matter.
    var isMissingTable: Bool {
        status == 404 && (message.lowercased().contains("table") || message.isEmpty)
            && !message.hasPrefix("Not found: Dataset ")
    }

    /// A table that was made without columns.
    var isMissingSchema: Bool {
        status == 400 && reason == "invalid" && message == "The destination table has no schema."
    }

    /// Half of it may be taken. An answer 400 without any reason is what too many bytes get.
    var isTooLarge: Bool {
        status == 413
            || status == 400
                && (reason.isEmpty && message.isEmpty || message.hasPrefix("Request payload size exceeds the limit")
                    || message.lowercased().hasPrefix("too many rows present in the request"))
    }
}
