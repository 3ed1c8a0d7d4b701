package import JSONFormat

/// Hides what connector configurations keep secret from those who look at them: values of options that are secrets, and
/// secrets inside of others, as a password in an address.
///
/// A configuration that comes back with something hidden is meant to keep what it has there.
package enum SecretMask {
    /// What stands in place of a secret.
    package static let text = "********"

    /// Whether the value of an option is nobody's business.
    package static func isSecret(_ option: String) -> Bool {
        let name = option.lowercased()
        // What only points to a secret, says of which kind it is, or is a class that serializes one. Who knows the address
        // of a webhook may use it.
        let others = [
            "file", "location", "topic", "class", "converter", "format", ".type", ".property", "token.url", "token.uri",
            "endpoint.url", "endpoint.uri",
        ]
        guard !others.contains(where: { name.hasSuffix($0) }) else { return false }
        return [
            "password", "passwd", "secret", "token", "credential", "sasl.jaas.config", "access.key", "api.key",
            "apikey",
            "private.key", "authorization", "user.info", "webhook.url", "passphrase",
        ].contains { name.contains($0) }
    }

    /// A reference such as `${file:/secrets:password}` is no secret.
    private static func isReference(_ value: String) -> Bool { value.hasPrefix("${") && value.hasSuffix("}") }

    /// A value as it is shown.
    private static func shown(_ value: JSONValue, of option: String, isSecret: Bool) -> JSONValue {
        guard let text = value.text, !text.isEmpty, !isReference(text) else { return value }
        if isSecret { return .string(self.text) }
        let parts = SecretParts(of: option, in: text)
        return parts.ranges.isEmpty ? value : .string(parts.replaced(by: self.text))
    }

    /// A configuration with its secrets hidden.
    package static func masked(config: JSONValue) -> JSONValue {
        guard case .object(let members) = config else { return config }
        return .object(members.map { ($0, shown($1, of: $0, isSecret: isSecret($0))) })
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
            let option = definition?["name"]?.text ?? ""
            let isSecretOption = definition?["type"]?.text == "PASSWORD" || isSecret(option)
            return .object(
                members.map { name, value in
                    if name == "config" || name == "properties", case .object = value {
                        return (name, masked(config: value))
                    }
                    if definition != nil, name == "value", case .object(let parts) = value {
                        return (
                            name,
                            .object(
                                parts.map { part, value in
                                    let isValue = part == "value"
                                    return (part, isValue ? shown(value, of: option, isSecret: isSecretOption) : value)
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
        config.members?.contains { $0.1.text?.contains(text) == true } ?? false
    }

    /// The configuration with what is hidden as it is now.
    package static func restored(_ config: JSONValue, from present: JSONValue) -> JSONValue {
        guard case .object(let members) = config else { return config }
        return .object(
            members.map { name, value in
                guard let given = value.text, given.contains(text), let now = present[name] else {
                    return (name, value)
                }
                if given == text { return (name, now) }
                let parts = SecretParts(of: name, in: now.text ?? "")
                return (name, parts.restored(given, hiddenBy: text).map { .string($0) } ?? value)
            })
    }
}
