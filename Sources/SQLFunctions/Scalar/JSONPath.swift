/// The part of JSONPath that EXTRACTJSONFIELD knows: names and places, `$.a.b[0]["c d"]`.
struct JSONPath {
    let steps: [String]

    /// - Throws: "Invalid JSON path".
    init(_ text: String) throws(EvaluationError) {
        var steps: [String] = []
        let bytes = Array(text.utf8)
        let invalid = EvaluationError("Invalid JSON path: '\(text)'")
        guard bytes.first == UInt8(ascii: "$") else { throw invalid }
        var at = 1
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "."):
                let name = bytes[(at + 1)...].prefix { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "[") }
                guard !name.isEmpty else { throw invalid }
                steps.append(String(decoding: name, as: UTF8.self))
                at += 1 + name.count
            case UInt8(ascii: "["):
                at += 1
                guard at < bytes.count else { throw invalid }
                var name: [UInt8] = []
                if bytes[at] == UInt8(ascii: "\"") {
                    at += 1
                    while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
                        if bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count { at += 1 }
                        name.append(bytes[at])
                        at += 1
                    }
                    at += 1
                } else {
                    name = Array(bytes[at...].prefix { $0 != UInt8(ascii: "]") })
                    at += name.count
                    guard !name.isEmpty else { throw invalid }
                }
                guard at < bytes.count, bytes[at] == UInt8(ascii: "]") else { throw invalid }
                steps.append(String(decoding: name, as: UTF8.self))
                at += 1
            default: throw invalid
            }
        }
        self.steps = steps
    }
}
