/// Why a text is not the JSON it should be, and where.
package struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The text breaks the grammar of RFC 8259.
        case syntax
        /// A string holds bytes that are not UTF-8.
        case notUTF8
        /// Nested deeper than the reader allows.
        case tooDeep
        /// An object has two members of one name, and the reader was told to refuse that.
        case duplicateMember
        /// The text is JSON but another kind of value, or a number that does not fit.
        case mismatch
    }

    package var code: Code
    /// What is wrong: "expected ':' after the name of a member".
    package var message: String
    /// Where, counted in bytes from 0.
    package var byteOffset: Int
    /// Where, counted from 1; columns are bytes, not characters.
    package var line: Int
    package var column: Int

    package init(_ code: Code, _ message: String, at byteOffset: Int, in bytes: RawSpan) {
        self.code = code
        self.message = message
        self.byteOffset = byteOffset
        line = 1
        column = 1
        for index in 0..<min(byteOffset, bytes.byteCount) {
            if bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self) == 0x0A {  // bound checked by the range
                line += 1
                column = 1
            } else {
                column += 1
            }
        }
    }

    package var description: String { "\(message) at line \(line), column \(column)" }
}
