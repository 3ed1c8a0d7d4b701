import Foundation
import JSONFormat

@testable import ConnectCore

/// Conformance data that lies beside the repository; nil when it is not there.
func sharedJSON(_ path: String) -> JSONValue? {
    let base = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"] ?? "../shared"
    guard let data = FileManager.default.contents(atPath: base + "/" + path) else { return nil }
    return JSONValue.parse(Array(data))
}

extension JSONValue {
    var line: String { String(decoding: bytes, as: UTF8.self) }
}

/// A value without a schema, its members in the order of the JSON.
func plainValue(_ json: JSONValue) -> ConnectValue {
    switch json {
    case .null: .null
    case .bool(let flag): .boolean(flag)
    case .number(let number): .int64(number)
    case .string(let text): .string(text)
    case .raw: .float64(json.decimal?.double ?? .nan)
    case .array(let elements): .array(elements.map(plainValue))
    case .object(let members): .map(ConnectMap(members.map { ($0.0, plainValue($0.1)) }))
    }
}
