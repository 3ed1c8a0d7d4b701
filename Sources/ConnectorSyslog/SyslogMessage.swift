import ConnectCore

/// A message as it came, and what it says about itself.
struct SyslogMessage: Sendable, Hashable {
    enum Kind: String, Sendable {
        case rfc3164 = "RFC3164"
        case rfc5424 = "RFC5424"
        case cef = "CEF"
        /// None of them: the text is kept as it is.
        case unknown = "UNKNOWN"
    }

    /// An element of an RFC 5424 message's structured data.
    struct Element: Sendable, Hashable {
        var id: String
        var parameters: [Parameter] = []
    }

    struct Parameter: Sendable, Hashable {
        var name: String
        var value: String

        init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    var kind: Kind
    /// The whole text.
    var raw: String
    /// Milliseconds since 1970, as the sender says.
    var time: Int64?
    var host: String?
    var facility: Int32?
    var level: Int32?
    /// Of RFC 5424 or of the Common Event Format.
    var version: Int32?
    var message: String?
    var tag: String?
    var appName: String?
    var processID: String?
    var messageID: String?
    var structuredData: [Element] = []
    var deviceVendor: String?
    var deviceProduct: String?
    var deviceVersion: String?
    var deviceEventClassID: String?
    var name: String?
    var severity: String?
    var extensions: [Parameter]?

    init(_ kind: Kind, raw: String) {
        self.kind = kind
        self.raw = raw
    }

    /// RFC 5424, 6.2.1.
    mutating func setPriority(_ priority: Int32?) {
        facility = priority.map { $0 >> 3 }
        level = priority.map { $0 & 7 }
    }
}

extension SyslogMessage {
    /// The original's schema of values, field by field.
    static let schema: ConnectSchema = {
        func field(_ name: String, _ schema: ConnectSchema) -> ConnectSchema.Field { .init(name, schema) }
        let texts = ConnectSchema.map(.string, .string, isOptional: true)
        let element = ConnectSchema(
            .structure, name: "io.confluent.syslog.StructuredData",
            fields: [field("id", .optionalString), field("structuredDataElements", texts)])
        return ConnectSchema(
            .structure, name: "io.confluent.syslog.Message",
            fields: [
                field("name", .optionalString), field("type", .string), field("message", .optionalString),
                field("host", .optionalString), field("version", .optionalInt32), field("level", .optionalInt32),
                field("tag", .optionalString), field("extension", texts), field("severity", .optionalString),
                field("appName", .optionalString), field("facility", .optionalInt32),
                field("remoteAddress", .optionalString), field("rawMessage", .optionalString),
                field("processId", .optionalString), field("messageId", .optionalString),
                field("structuredData", .array(element, isOptional: true)), field("deviceVendor", .optionalString),
                field("deviceProduct", .optionalString), field("deviceVersion", .optionalString),
                field("deviceEventClassId", .optionalString), field("timestamp", .optionalTimestamp),
                field("receivedDate", .optionalTimestamp),
            ])
    }()

    private static let elementSchema = schema.field("structuredData")?.schema.valueSchema

    /// The value of its record.
    ///
    /// - Parameters:
    ///   - sender: the address that it came from, or its name.
    ///   - received: milliseconds since 1970.
    func value(from sender: String?, received: Int64) -> ConnectValue {
        func text(_ text: String?) -> ConnectValue { text.map { .string($0) } ?? .null }
        func number(_ number: Int32?) -> ConnectValue { number.map { .int32($0) } ?? .null }
        func map(_ parameters: [Parameter]) -> ConnectValue {
            .map(ConnectMap(parameters.map { ($0.name, ConnectValue.string($0.value)) }))
        }
        var elements = ConnectValue.null
        if !structuredData.isEmpty, let schema = Self.elementSchema {
            elements = .array(
                structuredData.map { .structure(ConnectStruct(schema, values: [.string($0.id), map($0.parameters)])) })
        }
        // A message that does not say when it was sent, as nothing of it is understood, is as old as it is here.
        let time = time ?? (kind == .unknown ? received : nil)
        return .structure(
            ConnectStruct(
                Self.schema,
                values: [
                    text(name), .string(kind.rawValue), text(message), text(host), number(version), number(level),
                    text(tag), extensions.map(map) ?? .null, text(severity), text(appName), number(facility),
                    text(sender), .string(raw), text(processID), text(messageID), elements, text(deviceVendor),
                    text(deviceProduct), text(deviceVersion), text(deviceEventClassID),
                    time.map { .instant($0) } ?? .null, .instant(received),
                ]))
    }
}
