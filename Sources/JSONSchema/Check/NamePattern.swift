import Patterns

/// A pattern for names of members, as `patternProperties` has them.
package struct NamePattern: Sendable {
    private let expression: ECMAExpression

    /// - Returns: nil when the text is no regular expression.
    package init?(_ text: String) {
        do throws(PatternError) {
            expression = try ECMAExpression(text)
        } catch {
            return nil
        }
    }

    /// Whether the pattern is anywhere in the name; nil when that takes too many steps to tell.
    package func isFound(in name: String) -> Bool? {
        do throws(PatternError) {
            return try expression.isFound(in: name)
        } catch {
            return nil
        }
    }
}
