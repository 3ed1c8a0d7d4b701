import Cluster
package import HTTPKit
import HTTPTypes
import JSONFormat
import RecordBatches

/// Which messages a user looks for.
package struct MessageFilter: Sendable {
    package enum Comparison: String, Sendable {
        case eq, ne, contains, gt, ge, lt, le, exists
    }

    /// Of the key: exactly this, or a part of it where the key has a structure.
    package var key: String?
    /// In key, value or a header, without regard to case.
    package var text: String?
    package var path: JSONPath?
    package var comparison = Comparison.eq
    package var operand = ""

    package init() {}

    package var isEmpty: Bool { key == nil && text == nil && path == nil }

    /// What the query parameters `key`, `text`, `path`, `op` and `value` ask for.
    package init(_ call: HTTPCall) throws(HTTPFailure) {
        func given(_ name: String) -> String? { call.query(name).flatMap { $0.isEmpty ? nil : $0 } }
        key = given("key")
        text = given("text")?.lowercased()
        if let path = given("path") {
            guard let found = JSONPath(path) else {
                throw HTTPFailure(.badRequest, "'\(path)' is no path into JSON: $.name, $.list[0].name, $['a name']")
            }
            self.path = found
            let op = given("op") ?? (call.query("value") == nil ? "exists" : "eq")
            guard let comparison = Comparison(rawValue: op) else {
                throw HTTPFailure(.badRequest, "op is eq, ne, contains, gt, ge, lt, le or exists, not '\(op)'")
            }
            self.comparison = comparison
            operand = call.query("value") ?? ""
        }
    }

    package func matches(_ message: Message) -> Bool {
        if let key {
            switch message.key.format {
            case .json, .avro, .protobuf, .jsonSchema:
                guard message.key.text == key || message.key.text?.contains(key) == true else { return false }
            default: guard message.key.text == key else { return false }
            }
        }
        if let text {
            let isThere =
                message.value.text?.lowercased().contains(text) == true
                || message.key.text?.lowercased().contains(text) == true
                || message.record.headers.contains { header in
                    header.key.lowercased().contains(text)
                        || header.value.map { String(decoding: $0, as: UTF8.self).lowercased().contains(text) } == true
                }
            guard isThere else { return false }
        }
        if let path {
            guard let json = message.value.json else { return false }
            let values = path.values(in: json)
            // "Not equal" holds for all of them, everything else for one.
            if comparison == .ne { return !values.isEmpty && values.allSatisfy { compare($0) } }
            guard values.contains(where: { compare($0) }) else { return false }
        }
        return true
    }

    private func compare(_ value: JSONValue) -> Bool {
        let text = value.text ?? String(decoding: value.bytes, as: UTF8.self)
        switch comparison {
        case .exists: return true
        case .contains: return text.lowercased().contains(operand.lowercased())
        case .eq: return isEqual(value, text)
        case .ne: return !isEqual(value, text)
        case .gt, .ge, .lt, .le:
            let order: Int
            if let a = Self.number(text), let b = Self.number(operand) {
                order = a < b ? -1 : a > b ? 1 : 0
            } else {
                order = text < operand ? -1 : text > operand ? 1 : 0
            }
            switch comparison {
            case .gt: return order > 0
            case .ge: return order >= 0
            case .lt: return order < 0
            default: return order <= 0
            }
        }
    }

    private func isEqual(_ value: JSONValue, _ text: String) -> Bool {
        if text == operand { return true }
        guard value.decimal != nil, let a = Self.number(text), let b = Self.number(operand) else { return false }
        return a == b
    }

    /// A number with all its digits: as doubles, integers beyond 2^53 would equal their neighbours.
    private static func number(_ text: String) -> JSONNumber? {
        if let number = JSONNumber(Array(text.utf8)) { return number }
        // "+5" and ".5", as people write them.
        return Double(text).flatMap { $0.isFinite ? JSONNumber(Array("\($0)".utf8)) : nil }
    }
}
