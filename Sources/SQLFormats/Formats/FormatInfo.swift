/// How bytes of a topic and SQL columns relate: the name of a format and its settings.
package struct FormatInfo: Hashable, Sendable, CustomStringConvertible {
    package var format: SQLFormat
    /// By the original's names: `delimiter`, `fullSchemaName`, `schemaId`, `unwrapPrimitives`,
    /// `nullableRepresentation`.
    package var properties: [String: String]

    package init(_ format: SQLFormat, properties: [String: String] = [:]) {
        self.format = format
        self.properties = properties
    }

    /// The registry id that columns are read from and bytes are written with.
    package var schemaID: Int32? { properties[Self.schemaIDProperty].flatMap { Int32($0) } }

    package static let delimiterProperty = "delimiter"
    package static let fullSchemaNameProperty = "fullSchemaName"
    package static let schemaIDProperty = "schemaId"
    package static let unwrapPrimitivesProperty = "unwrapPrimitives"
    package static let nullableRepresentationProperty = "nullableRepresentation"

    package var description: String {
        guard !properties.isEmpty else { return format.rawValue }
        let pairs = properties.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return "\(format.rawValue){\(pairs.joined(separator: ", "))}"
    }
}

/// The formats and what each can do; section 14 of the reference.
package enum SQLFormat: String, Hashable, Sendable, CaseIterable {
    case none = "NONE"
    case kafka = "KAFKA"
    case delimited = "DELIMITED"
    case json = "JSON"
    case jsonSR = "JSON_SR"
    case avro = "AVRO"
    case protobuf = "PROTOBUF"
    case protobufNoSR = "PROTOBUF_NOSR"

    /// By name in any case.
    package init?(name: String) {
        guard let format = Self(rawValue: name.uppercased()) else { return nil }
        self = format
    }

    /// Whether its schemas are in the registry: columns can be inferred and are registered.
    package var usesRegistry: Bool {
        switch self {
        case .jsonSR, .avro, .protobuf: true
        default: false
        }
    }

    /// The features that a statement may choose.
    package var supportedFeatures: Set<SerdeFeature> {
        switch self {
        case .none: []
        case .kafka, .delimited: [.unwrapSingles]
        case .json, .jsonSR, .avro: [.wrapSingles, .unwrapSingles]
        case .protobuf, .protobufNoSR: [.wrapSingles]
        }
    }

    package var supportsMultipleKeyColumns: Bool {
        switch self {
        case .none, .kafka: false
        default: true
        }
    }

    /// The settings that it knows, by name.
    package var supportedProperties: Set<String> {
        switch self {
        case .none, .kafka, .json: []
        case .delimited: [FormatInfo.delimiterProperty]
        case .jsonSR: [FormatInfo.schemaIDProperty]
        case .avro: [FormatInfo.fullSchemaNameProperty, FormatInfo.schemaIDProperty]
        case .protobuf:
            [
                FormatInfo.fullSchemaNameProperty, FormatInfo.schemaIDProperty, FormatInfo.unwrapPrimitivesProperty,
                FormatInfo.nullableRepresentationProperty,
            ]
        case .protobufNoSR: [FormatInfo.unwrapPrimitivesProperty, FormatInfo.nullableRepresentationProperty]
        }
    }

    /// The settings that a sink takes over from the source it is built from, unless it says otherwise.
    package var inheritableProperties: Set<String> {
        switch self {
        case .delimited: [FormatInfo.delimiterProperty]
        case .protobuf, .protobufNoSR: [FormatInfo.nullableRepresentationProperty, FormatInfo.unwrapPrimitivesProperty]
        default: []
        }
    }
}

/// How a single column is stored.
package enum SerdeFeature: String, Hashable, Sendable, CaseIterable, Comparable {
    /// In a record or object with one field.
    case wrapSingles = "WRAP_SINGLES"
    /// As the bare value.
    case unwrapSingles = "UNWRAP_SINGLES"

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A format with its features, for keys or for values.
package struct SerdeFormat: Hashable, Sendable {
    package var info: FormatInfo
    package var features: Set<SerdeFeature>

    package init(_ info: FormatInfo, features: Set<SerdeFeature> = []) {
        self.info = info
        self.features = features
    }
}

/// The windows in a windowed key, as the key's bytes show them.
package struct WindowInfo: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case tumbling = "TUMBLING"
        case hopping = "HOPPING"
        case session = "SESSION"
    }

    package var kind: Kind
    /// In milliseconds; nil for sessions.
    package var size: Int64?
    /// Whether results were held back until their windows closed.
    package var isFinal: Bool

    package init(_ kind: Kind, size: Int64?, isFinal: Bool = false) {
        self.kind = kind
        self.size = size
        self.isFinal = isFinal
    }
}
