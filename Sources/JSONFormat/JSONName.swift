/// A text that is equal only to the same code points.
///
/// JSON compares names and strings that way (RFC 8259, section 8.3), while `String` takes composed and decomposed
/// characters for the same. Hence the key of every table of members.
package struct JSONName: Hashable, Sendable, Comparable {
    package var text: String

    package init(_ text: String) { self.text = text }

    package static func == (a: Self, b: Self) -> Bool { isSame(a.text, b.text) }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// By UTF-16 code units, the order of Java's strings.
    package static func < (a: Self, b: Self) -> Bool { a.text.utf16.lexicographicallyPrecedes(b.text.utf16) }

    /// Whether two texts have the same code points.
    package static func isSame(_ a: String, _ b: String) -> Bool {
        // Comparing buffers takes a fraction of what comparing views takes.
        let isSame = a.utf8.withContiguousStorageIfAvailable { first in
            b.utf8.withContiguousStorageIfAvailable { second in
                first.count == second.count && first.indices.allSatisfy { first[$0] == second[$0] }
            }
        }
        return (isSame ?? nil) ?? a.utf8.elementsEqual(b.utf8)
    }
}
