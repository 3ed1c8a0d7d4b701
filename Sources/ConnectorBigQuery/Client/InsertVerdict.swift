import HTTPCalls
import JSONFormat

/// What BigQuery says of the rows of a request.
///
/// - SeeAlso: the original's `BigQueryErrorResponses`, `AdaptiveBigQueryWriter` and `BigQueryWriter`.
enum InsertVerdict: Sendable {
    /// What it says of one row.
    enum OfRow: Sendable, Equatable {
        case taken
        /// Another row of the request was at fault.
        case stopped
        /// Has a field that the table has not.
        case unknownField(String)
        /// Lacks a column that is REQUIRED.
        case missingField(String)
        /// Will never be taken.
        case refused(String)
        /// May be taken later.
        case later(String)
        /// Something else is wrong, with the account or the table.
        case failed(String)
    }

    case rows([OfRow])
    case missingTable(APIFailure)
    case tooLarge(APIFailure)
    case failed(APIFailure)

    init(_ response: HTTPCaller.Response, rowCount: Int) {
        guard response.isSuccess else {
            let failure = APIFailure(response)
            if failure.isMissingTable {
                self = .missingTable(failure)
            } else if failure.isTooLarge {
                self = .tooLarge(failure)
            } else if failure.isMissingSchema {
                self = .rows(Array(repeating: .unknownField(failure.message), count: rowCount))
            } else {
                self = .failed(failure)
            }
            return
        }
        guard let json = JSONValue.parse(response.body), json.members != nil else {
            var failure = APIFailure(response)
            failure.message = "the answer is none of BigQuery's: is bigQueryEndpoint the address of its API?"
            self = .failed(failure)
            return
        }
        var rows = Array(repeating: OfRow.taken, count: rowCount)
        for error in json["insertErrors"]?.elements ?? [] {
            // Index 0 may be left out.
            let index = error["index"].map { $0.integer ?? Int64($0.text ?? "") ?? -1 } ?? 0
            guard rows.indices ~= Int(clamping: index) else {
                // Whichever row is meant, it must not count as taken.
                self = .rows(Array(repeating: .later("an error of a row that was not sent"), count: rowCount))
                return
            }
            rows[Int(clamping: index)] = Self.verdict(error["errors"]?.elements ?? [])
        }
        self = .rows(rows)
    }

    /// Of several errors the one counts after which the row has no chance.
    private static func verdict(_ errors: [JSONValue]) -> OfRow {
        var verdict = OfRow.stopped
        for error in errors {
            let next = self.verdict(error)
            if rank(next) > rank(verdict) { verdict = next }
        }
        return verdict
    }

    private static func rank(_ verdict: OfRow) -> Int {
        switch verdict {
        case .taken, .stopped: 0
        case .later: 1
        case .unknownField: 2
        case .missingField: 3
        case .refused: 4
        case .failed: 5
        }
    }

    private static func verdict(_ error: JSONValue) -> OfRow {
        let reason = error["reason"]?.text ?? ""
        let message = error["message"]?.text ?? ""
        let place = error["location"]?.text ?? ""
        let words =
            message.isEmpty ? "\(reason) \(place)" : String(message.prefix(1000))
        switch reason {
        case "stopped": return .stopped
        case "invalid" where message.hasPrefix("no such field"): return .unknownField(words)
        case "invalid" where message.hasPrefix("Missing required field"): return .missingField(words)
        case "invalid": return .refused(words)
        case "backendError", "internalError", "timeout", "quotaExceeded", "rateLimitExceeded", "tableUnavailable":
            return .later("\(reason): \(words)")
        default: return .failed("\(reason): \(words)")
        }
    }
}
