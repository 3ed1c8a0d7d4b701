import Bytes
import Crypto

/// What makes a schema itself wherever it is registered: an MD5 over its text, references, metadata and rules. Its text
/// as a UUID is the schema's GUID.
///
/// Fed in this order, strings as UTF-8 and without separators: text; of each reference name, subject, version (4 bytes,
/// big-endian); a byte 1 and the metadata, if there are: tags (path, names), properties (key, value), sensitive names,
/// each sorted; a byte 1 and the rules, if there are: name, doc, kind, mode, type, tags, params, expr, onSuccess,
/// onFailure of each, and a byte 1 if it is disabled.
///
/// - SeeAlso: upstream `Schema.updateHash`.
package struct SchemaIdentity: Hashable, Sendable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(
        text: [UInt8], references: [StoredReference], metadata: SchemaMetadata?, ruleSet: SchemaRuleSet?
    ) {
        var hash = Insecure.MD5()
        func feed(_ bytes: [UInt8]) { bytes.withUnsafeBytes { hash.update(bufferPointer: $0) } }
        func feed(_ string: String?) {
            if let string { feed(Array(string.utf8)) }
        }
        func one() { feed([1]) }
        feed(text)
        for reference in references {
            feed(reference.name)
            feed(reference.subject)
            feed(Self.bytes(UInt32(bitPattern: reference.version)))
        }
        if let metadata {
            one()
            for (path, names) in metadata.tags.sorted(by: { $0.key < $1.key }) {
                feed(path)
                for name in names { feed(name) }
            }
            for (key, value) in metadata.properties.sorted(by: { $0.key < $1.key }) {
                feed(key)
                feed(value)
            }
            for name in metadata.sensitive { feed(name) }
        }
        if let ruleSet {
            one()
            for rule in ruleSet.all {
                for part in [rule.name, rule.doc, rule.kind.rawValue, rule.mode.rawValue, rule.type] { feed(part) }
                for tag in rule.tags { feed(tag) }
                for (key, value) in rule.params.sorted(by: { $0.key < $1.key }) {
                    feed(key)
                    feed(value)
                }
                for part in [rule.expr, rule.onSuccess, rule.onFailure] { feed(part) }
                if rule.isDisabled { one() }
            }
            if let place = ruleSet.enableAt { feed(place) }
        }
        let digest = Array(hash.finalize())
        high = Self.number(digest[0..<8])
        low = Self.number(digest[8..<16])
    }

    /// The 16 bytes of `bytes`; nil for any other number of them.
    package init?(bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count == 16 else { return nil }
        self.init(high: Self.number(bytes[..<8]), low: Self.number(bytes[8...]))
    }

    /// A UUID, in any case of its letters; nil for any other text.
    package init?(_ text: String) {
        let digits = text.utf8.filter { $0 != UInt8(ascii: "-") }
        let groups = text.split(separator: "-", omittingEmptySubsequences: false).map(\.count)
        guard groups == [8, 4, 4, 4, 12], digits.count == 32 else { return nil }
        let text = String(decoding: digits, as: UTF8.self)
        guard let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16) else {
            return nil
        }
        self.init(high: high, low: low)
    }

    /// As a UUID in lower case.
    package var description: String {
        var text: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
            Hexadecimal.append(byte, to: &text)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The 16 bytes of the digest.
    package var bytes: [UInt8] { Self.bytes(high) + Self.bytes(low) }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
