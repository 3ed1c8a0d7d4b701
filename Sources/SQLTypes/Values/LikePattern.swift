/// The pattern of LIKE: `%` stands for any text, `_` for one character, and a character behind the escape for itself.
///
/// Matching takes time in proportion to text times pattern at most.
package struct LikePattern: Sendable {
    private enum Item: Equatable, Sendable { case any, one, literal(Unicode.Scalar) }

    private let items: [Item]

    package init(_ pattern: String, escape: Unicode.Scalar? = nil) {
        var items: [Item] = []
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            if isEscaped {
                items.append(.literal(scalar))
                isEscaped = false
            } else if scalar == escape {
                isEscaped = true
            } else if scalar == "%" {
                if items.last != .any { items.append(.any) }
            } else {
                items.append(scalar == "_" ? .one : .literal(scalar))
            }
        }
        self.items = items
    }

    /// Whether all of `text` is matched.
    package func matches(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        var at = 0
        var item = 0
        // Where to go on when what follows the last % does not match: one character further.
        var retry: (item: Int, at: Int)?
        while at < scalars.count {
            if item < items.count, items[item] == .any {
                retry = (item + 1, at)
                item += 1
            } else if item < items.count, items[item] == .one || items[item] == .literal(scalars[at]) {
                item += 1
                at += 1
            } else if let last = retry {
                retry = (last.item, last.at + 1)
                item = last.item
                at = last.at + 1
            } else {
                return false
            }
        }
        return items[item...].allSatisfy { $0 == .any }
    }
}
