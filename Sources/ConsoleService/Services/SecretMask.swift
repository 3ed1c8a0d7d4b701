package import JSONFormat

/// Hides what connector configurations keep secret from those who look at them.
///
/// A configuration that comes back with a hidden value is meant to keep the value that it has.
package enum SecretMask {
    /// What stands in place of a secret.
    package static let text = "********"

    /// Whether the value of an option is nobody's business.
    package static func isSecret(_ option: String) -> Bool {
        let name = option.lowercased()
        // What only points to a secret, or is a class that serializes one.
        guard !["file", "location", "topic", "class", "converter", "format"].contains(where: { name.hasSuffix($0) })
        else { return false }
        return [
            "password", "passwd", "secret", "token", "credential", "sasl.jaas.config", "access.key", "api.key",
            "apikey",
            "private.key", "authorization", "user.info", "webhook.url", "passphrase",
        ].contains { name.contains($0) }
    }

    /// A reference such as `${file:/secrets:password}` is no secret.
    private static func isReference(_ value: String) -> Bool { value.hasPrefix("${") && value.hasSuffix("}") }

    /// A configuration with its secrets hidden.
    package static func masked(config: JSONValue) -> JSONValue {
        guard case .object(let members) = config else { return config }
        return .object(
            members.map { name, value in
                guard isSecret(name), let text = value.text, !text.isEmpty, !isReference(text) else {
                    return (name, value)
                }
                return (name, .string(self.text))
            })
    }

    /// An answer of Kafka Connect with all secrets hidden, whatever question it answers.
    ///
    /// - Parameter isConfig: whether the answer itself is a configuration.
    package static func masked(answer: JSONValue, isConfig: Bool = false) -> JSONValue {
        switch answer {
        case .array(let elements): return .array(elements.map { masked(answer: $0) })
        case .object(let members):
            if isConfig { return masked(config: answer) }
            // One option of a validation: {"definition": {"name", "type"}, "value": {"name", "value"}}.
            let definition = members.first { $0.0 == "definition" }?.1
            let isSecretOption =
                definition.map { $0["type"]?.text == "PASSWORD" || isSecret($0["name"]?.text ?? "") } ?? false
            return .object(
                members.map { name, value in
                    if name == "config" || name == "properties", case .object = value {
                        return (name, masked(config: value))
                    }
                    if isSecretOption, name == "value", case .object(let parts) = value {
                        return (
                            name,
                            .object(
                                parts.map { part, value in
                                    guard part == "value", let text = value.text, !text.isEmpty, !isReference(text)
                                    else { return (part, value) }
                                    return (part, .string(self.text))
                                })
                        )
                    }
                    return (name, masked(answer: value))
                })
        default: return answer
        }
    }

    /// Whether a configuration has hidden values, so that the ones it stands for are needed.
    package static func hasHidden(_ config: JSONValue) -> Bool {
        config.members?.contains { $0.1.text == text } ?? false
    }

    /// The configuration with the hidden values as they are now.
    package static func restored(_ config: JSONValue, from present: JSONValue) -> JSONValue {
        guard case .object(let members) = config else { return config }
        return .object(
            members.map { name, value in
                value.text == text ? (name, present[name] ?? value) : (name, value)
            })
    }
}
