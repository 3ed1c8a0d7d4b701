internal import ConnectCore

extension ConfigValidator {
    /// Debezium's words.
    static func invalid(_ name: String, _ what: String) -> ConnectError {
        .config("The '\(name)' value is invalid: \(what)")
    }

    static let required = ConfigValidator { (name, value) throws(ConnectError) in
        guard let text = value.text, !text.isEmpty else { throw invalid(name, "A value is required") }
    }

    static let serverID = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .integer(let number) = value else { throw invalid(name, "A value is required") }
        guard 1...Int64(UInt32.max) ~= number else { throw invalid(name, "A positive number is expected") }
    }

    static let port = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .integer(let number) = value, 1...65_535 ~= number else {
            throw invalid(name, "A port between 1 and 65535 is expected")
        }
    }

    static let positive = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .integer(let number) = value, number > 0 else {
            throw invalid(name, "A positive, non-zero integer value is expected")
        }
    }

    static let notNegative = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .integer(let number) = value, number >= 0 else {
            throw invalid(name, "A non-negative integer value is expected")
        }
    }

    static func choice(_ names: [String], also others: [String] = []) -> ConfigValidator {
        ConfigValidator { (name, value) throws(ConnectError) in
            guard let text = value.text?.lowercased(), !names.contains(text), !others.contains(text) else { return }
            throw invalid(name, "Value must be one of \(names.joined(separator: ", "))")
        }
    }

    static let topicPrefix = ConfigValidator { (name, value) throws(ConnectError) in
        guard let text = value.text, !text.isEmpty else { throw invalid(name, "A value is required") }
        let isPlain = text.utf8.allSatisfy {
            switch $0 {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        guard isPlain else {
            throw invalid(
                name,
                "\(text) has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)")
        }
    }

    static let topicNaming = ConfigValidator { (name, value) throws(ConnectError) in
        let known = ["SchemaTopicNamingStrategy", "DefaultTopicNamingStrategy"].map { "io.debezium.schema." + $0 }
        guard let text = value.text, !text.isEmpty, !known.contains(text) else { return }
        throw invalid(
            name,
            "\(text) is not available; there are \(known.joined(separator: " and ")). To give topics other names, use "
                + "the transform io.debezium.transforms.ByLogicalTableRouter")
    }

    static let notificationChannels = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .list(let channels) = value else { return }
        for channel in channels where !["sink", "log", ""].contains(channel.lowercased()) {
            throw invalid(
                name, "\(channel) is not available; there are sink, the topic notification.sink.topic.name, and log")
        }
    }

    static let operations = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .list(let given) = value else { return }
        let operations = given.map { $0.lowercased() }
        guard operations.allSatisfy({ ["none", "c", "u", "d", "t", "r"].contains($0) }) else {
            throw invalid(name, "Invalid operation")
        }
        guard !operations.contains("none") || operations.count == 1 else {
            throw invalid(name, "'none' cannot be specified with other skipped operation types")
        }
    }

    static let signalChannels = ConfigValidator { (name, value) throws(ConnectError) in
        guard case .list(let channels) = value else { return }
        for channel in channels where !["source", "kafka", "file", ""].contains(channel.lowercased()) {
            throw invalid(
                name,
                "\(channel) is not available; there are source, rows of the table signal.data.collection; kafka, records of "
                    + "signal.kafka.topic; and file, lines of signal.file")
        }
    }

    /// Another class would make other records.
    static func only(_ className: String) -> ConfigValidator {
        ConfigValidator { (name, value) throws(ConnectError) in
            guard let text = value.text, !text.isEmpty, text != className else { return }
            throw invalid(name, "\(text) is not available; there is \(className)")
        }
    }

    /// - Parameter what: is not there, with its verb.
    static func off(_ what: String) -> ConfigValidator {
        ConfigValidator { (name, value) throws(ConnectError) in
            guard value == .boolean(true) else { return }
            throw invalid(name, "\(what) not available. Leave the option out")
        }
    }

    /// - Parameter what: is not there, with its verb.
    static func absent(_ what: String) -> ConfigValidator {
        ConfigValidator { (name, value) throws(ConnectError) in
            guard let text = value.text, !text.isEmpty else { return }
            throw invalid(name, "\(what) not available. Leave the option out")
        }
    }

    /// Regular expressions, separated by commas.
    static let patterns = ConfigValidator { (name, value) throws(ConnectError) in
        let text: String? =
            switch value {
            case .list(let items): items.joined(separator: ",")
            default: value.text
            }
        guard let text, !text.isEmpty else { return }
        do throws(ConnectError) { _ = try NamePatterns(text) } catch {
            throw invalid(name, "A comma-separated list of valid regular expressions is expected, but \(error.message)")
        }
    }
}
