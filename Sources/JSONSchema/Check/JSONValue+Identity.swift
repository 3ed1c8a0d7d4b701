package import JSONFormat

extension JSONValue {
    /// Bytes that are the same for values that are the same: sorted members, numbers by their value.
    package var identity: [UInt8] {
        var writer = JSONWriter()
        writeIdentity(to: &writer)
        return writer.bytes
    }

    private func writeIdentity(to writer: inout JSONWriter) {
        switch self {
        case .array(let elements):
            writer.beginArray()
            for element in elements { element.writeIdentity(to: &writer) }
            writer.endArray()
        case .object(let members):
            let unique = Dictionary(members.map { (JSONName($0.0), $0.1) }, uniquingKeysWith: { $1 })
            writer.beginObject()
            for (name, value) in unique.sorted(by: { $0.key < $1.key }) {
                writer.name(name.text)
                value.writeIdentity(to: &writer)
            }
            writer.endObject()
        case .number, .raw:
            guard let number = decimal else { return writer.value(self) }
            let digits = number.digits.map { 0x30 + $0 }
            writer.raw((number.isNegative ? [0x2D] : []) + digits + Array("e\(number.exponent)".utf8))
        default: writer.value(self)
        }
    }
}
