/// The name of a record, enum or fixed type.
package struct AvroName: Sendable, Hashable {
    /// Without namespace.
    package var name: String
    /// Nil for the null namespace, never empty.
    package var namespace: String?

    /// - Parameters:
    ///   - text: a simple name, or a full one, whose namespace then counts.
    ///   - namespace: that of a simple name; an empty one is the null namespace.
    package init(_ text: String, in namespace: String?) {
        if let dot = text.utf8.lastIndex(of: UInt8(ascii: ".")) {
            name = String(text[text.index(after: dot)...])
            self.namespace = dot == text.startIndex ? nil : String(text[..<dot])
        } else {
            name = text
            self.namespace = namespace == "" ? nil : namespace
        }
    }

    package var full: String { namespace.map { $0 + "." + name } ?? name }

    /// As it is written inside of a type of `namespace`: without its own where that is the same.
    func text(in namespace: String?) -> String {
        self.namespace == namespace && AvroPrimitive(rawValue: name) == nil ? name : full
    }
}

/// Types that are known by a word.
package enum AvroPrimitive: String, Sendable, Hashable, CaseIterable {
    case null, boolean, int, long, float, double, bytes, string
}
