/// Where something stands in the text it was read from.
///
/// A position takes no part in equality: two trees are equal when they mean the same, wherever they were written. Compare
/// `offset` where the place matters.
package struct Position: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Bytes of UTF-8 before it.
    package var offset: Int32
    /// The first line is 1.
    package var line: Int32
    /// In characters (Unicode scalars); the first is 1.
    package var column: Int32

    package init(offset: Int32 = 0, line: Int32 = 1, column: Int32 = 1) {
        self.offset = offset
        self.line = line
        self.column = column
    }

    package static func == (a: Self, b: Self) -> Bool { true }
    package func hash(into hasher: inout Hasher) {}
    package static func < (a: Self, b: Self) -> Bool { a.offset < b.offset }

    /// `Line: 3, Col: 38`, as ksqlDB begins messages about columns and sources.
    package var description: String { "Line: \(line), Col: \(column)" }
}
