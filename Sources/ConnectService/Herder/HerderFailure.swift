import Cluster
import ConnectCore

/// Why a request to the worker was not done.
enum HerderFailure: Error {
    /// HTTP status and Connect's words.
    case refused(status: Int, String)
    /// Another worker has to do it.
    case elsewhere(url: String)

    static func notFound(_ message: String) -> HerderFailure { .refused(status: 404, message) }
    static func badRequest(_ message: String) -> HerderFailure { .refused(status: 400, message) }

    init(_ error: ClusterError) {
        let status = error.code.isRetriable ? 503 : 500
        self = .refused(status: status, "\(error)")
    }
}
