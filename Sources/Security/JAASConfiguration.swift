/// A login module of Java's with its options, as `sasl.jaas.config` has one:
/// `CLASS required NAME="VALUE" NAME=VALUE ...;`
///
/// - SeeAlso: upstream `JaasConfig`.
package struct JAASConfiguration: Equatable, Sendable {
    /// The class without its package.
    package var module: String
    package var options: [String: String]

    package struct Failure: Error, Equatable, CustomStringConvertible {
        package var description: String

        package init(description: String) { self.description = description }
    }

    private static let flags: Set<String> = ["required", "requisite", "sufficient", "optional"]

    /// - Throws: `Failure` in words that do not repeat the text, which has passwords in it.
    package init(_ text: String) throws(Failure) {
        var tokens = Tokens(rest: text[...])
        guard case .word(let name)? = try tokens.next() else {
            throw Failure(description: "it does not begin with the class of a login module")
        }
        module = name.split(separator: ".").last.map(String.init) ?? name
        guard case .word(let flag)? = try tokens.next(), Self.flags.contains(flag.lowercased()) else {
            throw Failure(description: "no flag such as 'required' after the login module")
        }
        options = [:]
        while true {
            switch try tokens.next() {
            case .end?:
                guard try tokens.next() == nil else {
                    throw Failure(description: "something follows the ';'; one login module is possible")
                }
                return
            case .word(let name)?:
                guard case .equals? = try tokens.next(), case .word(let value)? = try tokens.next() else {
                    throw Failure(description: "an option is not like NAME=\"VALUE\"")
                }
                options[name] = value
            case .equals?: throw Failure(description: "an option has no name")
            case nil: throw Failure(description: "no ';' at the end")
            }
        }
    }

    /// Users of a `PlainLoginModule`, with their passwords: its options `user_NAME="PASSWORD"`.
    package var users: [String: String] {
        var users: [String: String] = [:]
        for (name, value) in options where name.hasPrefix("user_") && name.utf8.count > 5 {
            users[String(name.dropFirst(5))] = value
        }
        return users
    }

    private enum Token {
        case word(String)
        case equals
        case end
    }

    private struct Tokens {
        var rest: Substring

        mutating func next() throws(Failure) -> Token? {
            rest = rest.drop(while: \.isWhitespace)
            guard let first = rest.popFirst() else { return nil }
            switch first {
            case "=": return .equals
            case ";": return .end
            case "\"", "'": return .word(try quoted(by: first))
            default:
                var word = String(first)
                while let character = rest.first, !character.isWhitespace, !"=;\"'".contains(character) {
                    word.append(character)
                    rest = rest.dropFirst()
                }
                return .word(word)
            }
        }

        private mutating func quoted(by quote: Character) throws(Failure) -> String {
            var value = ""
            while let character = rest.popFirst() {
                if character == quote { return value }
                guard character == "\\" else {
                    value.append(character)
                    continue
                }
                guard let escaped = rest.popFirst() else { break }
                value.append(escaped)
            }
            throw Failure(description: "a quoted value has no end")
        }
    }
}
