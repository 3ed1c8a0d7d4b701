/// The name of a subject with the context that it is in: `name` in the default context, `:.context:name` in others.
///
/// A bare context, `:.context:` with nothing behind it, is what the registry keeps settings of a whole context under; `:*:`
/// stands for all contexts where a prefix of subjects is asked for.
///
/// - SeeAlso: upstream `QualifiedSubject`.
package struct SubjectName: Hashable, Sendable, CustomStringConvertible {
    package static let defaultContext = "."
    /// Holds settings for all contexts.
    package static let globalContext = ".__GLOBAL"
    package static let anyContext = "*"

    /// Begins with a dot; `*` for all contexts.
    package var context: String
    /// May be empty.
    package var name: String

    package init(context: String = defaultContext, name: String) {
        self.context = context
        self.name = name
    }

    /// Takes a name apart; every text is one.
    package init(_ text: String) {
        if text.hasPrefix(":.") {
            let rest = text.dropFirst()
            if let end = rest.firstIndex(of: ":") {
                self.init(context: String(rest[..<end]), name: String(rest[rest.index(after: end)...]))
            } else {
                self.init(context: String(rest), name: "")
            }
        } else if text.hasPrefix(":*:") {
            self.init(context: Self.anyContext, name: String(text.dropFirst(3)))
        } else {
            self.init(name: text)
        }
    }

    /// The context with its colons, as it stands in front of names; empty for the default context.
    package var prefix: String { context == Self.defaultContext ? "" : ":\(context):" }

    package var description: String { prefix + name }

    /// Whether settings are kept under this name for the default context, which has none of its own.
    package var isDefaultContext: Bool { context == Self.defaultContext && name.isEmpty }

    /// The name of a subject as somebody in `parent`'s context calls it: unqualified names are in that context too.
    package static func qualified(_ text: String, from parent: SubjectName) -> SubjectName {
        let subject = SubjectName(text)
        guard subject.context == defaultContext, parent.context != defaultContext else { return subject }
        return SubjectName(context: parent.context, name: text)
    }

    /// A context as it stands in a path: with or without its colons and its dot.
    ///
    /// - Returns: the context with its dot; nil when it has a colon inside.
    package static func context(_ text: String) -> String? {
        var rest = text[...]
        if rest.hasPrefix(":") { rest = rest.dropFirst() }
        if rest.hasSuffix(":") { rest = rest.dropLast() }
        guard !rest.contains(":") else { return nil }
        return rest.hasPrefix(".") ? String(rest) : "." + rest
    }

    /// Whether schemas, or with `forSettings` settings, may be kept under this name: no control characters, none of the
    /// reserved names.
    package func isValid(forSettings: Bool = false) -> Bool {
        let controls = (context + name).unicodeScalars.contains { $0.value < 0x20 || 0x7F...0x9F ~= $0.value }
        guard !controls, name != "__GLOBAL", name != "__EMPTY" else { return false }
        return forSettings || context != Self.globalContext
    }
}
