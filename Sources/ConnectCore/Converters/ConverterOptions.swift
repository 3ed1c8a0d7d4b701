/// The options of the converters, by their classes: what lists show, validation checks and the making of a converter
/// refuses.
package enum ConverterOptions {
    /// - Parameter name: a converter's class, in full or by its last part.
    package static func definition(_ name: String) -> ConfigDef? {
        let name = ConverterPlugins.modern(name)
        let all = Set(ConverterPlugins.names).union(ConverterPlugins.headerNames)
        guard
            let known = all.first(where: {
                $0 == name || $0.hasSuffix("." + name) || $0.hasSuffix("." + name + "Converter")
            })
        else { return nil }
        switch known.split(separator: ".").last.map(String.init) {
        case "JsonConverter": return json
        case "StringConverter": return string
        case "AvroConverter": return avro
        case "JsonSchemaConverter": return jsonSchema
        case "ProtobufConverter": return protobuf
        default: return plain
        }
    }

    private static let plain: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "converter.type", .string, .required, .oneOf(["key", "value", "header"]), .low,
            "How this converter is used.")
        return definition
    }()

    private static let json: ConfigDef = {
        var definition = plain
        let schemas = "Schemas"
        definition.define(
            "schemas.enable", .boolean, .value(.boolean(true)), nil, .high, "Whether values carry their schemas.",
            group: schemas, order: 0, width: .medium, displayName: "Enable Schemas")
        definition.define(
            "schemas.cache.size", .int, .value(.integer(1000)), nil, .high, "Without effect: 1000 are kept.",
            group: schemas, order: 1, width: .medium, displayName: "Schema Cache Size")
        definition.define(
            "schema.content", .string, .null, nil, .high, "The schema of values that carry none.", group: schemas,
            order: 2, width: .medium, displayName: "Schema Content")
        addJSONForms(to: &definition)
        return definition
    }()

    /// How `JsonConverter` writes decimals and nulls.
    static func addJSONForms(to definition: inout ConfigDef) {
        let serialization = "Serialization"
        definition.define(
            "decimal.format", .string, .value(.string("BASE64")), .oneOf(["NUMERIC", "BASE64"], ignoresCase: true),
            .low,
            "Decimals as BASE64 of their bytes or NUMERIC.", group: serialization, order: 0, width: .medium,
            displayName: "Decimal Format")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .low,
            "Whether null becomes the field's default.", group: serialization, order: 1, width: .medium,
            displayName: "Replace null with default")
    }

    private static let string: ConfigDef = {
        var definition = plain
        definition.define(
            "converter.encoding", .string, .value(.string("UTF-8")),
            .oneOf(["UTF-8", "UTF8", "US-ASCII", "ASCII"], ignoresCase: true),
            .high,
            "The encoding of texts: UTF-8, of which US-ASCII is a part.",
            width: .medium, displayName: "Encoding")
        return definition
    }()

    // MARK: converters with a registry

    private static let avro: ConfigDef = {
        var definition = registry
        definition.flag(
            "enhanced.avro.schema.support", false, .medium,
            "Whether enums stay enums and union members have full names.")
        definition.flag(
            "scrub.invalid.names", false, .medium,
            "Whether characters that Avro's names cannot have become underscores.")
        definition.flag(
            "connect.meta.data", true, .low, "Whether schemas carry what only Connect has: version, parameters, names.")
        definition.flag(
            "allow.optional.map.keys", false, .low, "Whether maps with optional string keys are Avro's maps.")
        definition.flag(
            "flatten.singleton.unions", true, .low, "Whether a union of one type is that type rather than a struct.")
        definition.flag(
            "discard.type.doc.default", false, .low,
            "Whether docs and defaults of fields alone are kept. Not available: only false.",
            .only("false", "docs and defaults of types are kept"))
        return definition
    }()

    private static let jsonSchema: ConfigDef = {
        var definition = registry
        definition.flag("object.additional.properties", true, .medium, "Whether objects may have further properties.")
        definition.flag(
            "use.optional.for.nonrequired", false, .medium, "Whether properties that are not required are optional.")
        definition.flag(
            "flatten.singleton.unions", true, .low, "Whether a union of one type is that type rather than a struct.")
        definition.flag("ignore.modern.dialects", false, .low, "Without effect: all dialects are read alike.")
        definition.define(
            "decimal.format", .string, .value(.string("BASE64")), .oneOf(["BASE64", "NUMERIC"], ignoresCase: true),
            .low, "Decimals as BASE64 of their bytes or NUMERIC.")
        definition.flag(
            "json.fail.invalid.schema", false, .medium,
            "Whether values are checked against their schema. Not available: only false.",
            .only("false", "values are not checked against JSON Schemas"))
        return definition
    }()

    private static let protobuf: ConfigDef = {
        var definition = registry
        definition.flag(
            "enhanced.protobuf.schema.support", false, .medium,
            "Whether structs have the full names of their messages.")
        definition.flag(
            "scrub.invalid.names", false, .medium,
            "Whether characters that Protobuf's names cannot have become underscores; without it they are refused.")
        definition.flag("int.for.enums", false, .medium, "Whether enums are their numbers.")
        definition.flag(
            "optional.for.nullables", false, .medium,
            "Whether optional fields are written as `optional`, and only those are optional.")
        definition.flag("optional.for.proto2", true, .medium, "Whether unset optional fields of proto2 are null.")
        definition.flag(
            "wrapper.for.nullables", false, .medium, "Whether optional fields are written in wrappers, as StringValue.")
        definition.flag(
            "wrapper.for.raw.primitives", true, .medium, "Whether a message that is a wrapper is the value in it.")
        definition.flag("generate.struct.for.nulls", false, .medium, "Whether unset messages are structs of defaults.")
        definition.flag("generate.index.for.unions", true, .low, "Whether names of unions end with their number.")
        definition.flag("flatten.unions", false, .medium, "Whether a union's fields stand beside the others.")
        return definition
    }()

    private static let registry: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "schema.registry.url", .list, .required, .notEmptyList, .high, "Addresses of the schema registry.")
        definition.define(
            "max.schemas.per.subject", .int, .value(.integer(1000)), nil, .low, "Without effect: 1000 are kept in all.")
        definition.flag("normalize.schemas", false, .medium, "Whether schemas are normalized when they are registered.")
        definition.flag("auto.register.schemas", true, .medium, "Whether schemas are registered.")
        definition.define(
            "use.schema.id", .int, .value(.integer(-1)), nil, .low, "The id of the schema to write with.")
        definition.flag(
            "id.compatibility.strict", true, .low,
            "Whether the schema of `use.schema.id` has to be able to read what values' own schemas write.")
        definition.flag(
            "use.latest.version", false, .low, "Whether values are written with the subject's newest schema.")
        definition.define(
            "use.latest.with.metadata", .string, .null, .absent("use.latest.version takes the newest schema"), .low,
            "Metadata of the schema to write with. Not available.")
        definition.flag(
            "latest.compatibility.strict", true, .low,
            "Whether the newest schema has to be able to read what values' own schemas write.")
        definition.define(
            "basic.auth.credentials.source", .string, .value(.string("URL")), nil, .medium,
            "Where user and password stand: URL or USER_INFO.")
        for name in ["schema.registry.basic.auth.user.info", "basic.auth.user.info"] {
            definition.define(name, .password, .value(.password("")), nil, .medium, "User and password, with a colon.")
        }
        definition.defineTokens()
        definition.define(
            "context.name.strategy", .className,
            .value(.string("io.confluent.kafka.serializers.context.NullContextNameStrategy")),
            .only(
                "io.confluent.kafka.serializers.context.NullContextNameStrategy",
                "a context can stand in schema.registry.url"), .medium,
            "What names the registry's context. Not available: only the default.")
        for (side, word) in [("key", "keys"), ("value", "values")] {
            definition.define(
                side + ".subject.name.strategy", .className,
                .value(.string("io.confluent.kafka.serializers.subject.TopicNameStrategy")),
                .knownClass { SubjectNameStrategy(className: $0) != nil }, .medium,
                "How subjects of \(word) are named: TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy.")
            definition.define(
                side + ".schema.id.serializer", .className,
                .value(.string("io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer")),
                .only(
                    "io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer",
                    "ids are written in front of values"), .medium,
                "Where ids of schemas of \(word) are written. Not available: only the default.")
        }
        definition.flag(
            "generalized.sum.type.support", false, .medium,
            "Whether enums and unions are alike in all formats. Not available: only false.",
            .only("false", "enums and unions have the names of their format"))
        definition.flag(
            "ignore.default.for.nullables", false, .medium, "Whether null stays null where a field has a default.")
        definition.define(
            "schemas.cache.config", .int, .value(.integer(1000)), nil, .low, "Without effect: 1000 are kept.")
        return definition
    }()
}

extension ConfigDef {
    /// Tokens in place of passwords, by the names of Confluent's clients.
    fileprivate mutating func defineTokens() {
        define(
            "bearer.auth.credentials.source", .string, .null, nil, .medium,
            "Where tokens come from: STATIC_TOKEN or OAUTHBEARER; none are shown without it.")
        define("bearer.auth.token", .password, .null, nil, .medium, "The token of STATIC_TOKEN.")
        define(
            "bearer.auth.issuer.endpoint.url", .string, .null, nil, .medium,
            "The token endpoint of OAUTHBEARER: https://, or http:// on this machine.")
        define("bearer.auth.client.id", .string, .null, nil, .medium, "Who asks there.")
        define("bearer.auth.client.secret", .password, .null, nil, .medium, "The secret of that client.")
        define("bearer.auth.scope", .string, .null, nil, .medium, "What tokens are asked for.")
        define("bearer.auth.logical.cluster", .string, .null, nil, .low, "Sent along as target-sr-cluster.")
        define("bearer.auth.identity.pool.id", .string, .null, nil, .low, "Sent along as Confluent-Identity-Pool-Id.")
    }

    fileprivate mutating func flag(
        _ name: String, _ value: Bool, _ importance: Importance, _ documentation: String,
        _ validator: ConfigValidator? = nil
    ) {
        define(name, .boolean, .value(.boolean(value)), validator, importance, documentation)
    }
}

extension ConfigItem {
    /// A flag among a converter's options.
    static func flag(
        _ name: String, _ options: [String: String], _ fallback: Bool
    ) throws(ConnectError) -> Bool {
        guard let text = options[name] else { return fallback }
        return try parse(text, .boolean, name) == .boolean(true)
    }
}

extension ConfigValidator {
    /// Refuses what would change data and is not there, rather than pass over it.
    fileprivate static func only(_ value: String, _ reason: String) -> Self {
        Self { (name, item) throws(ConnectError) in
            guard let text = item.text, text != value, !value.hasSuffix("." + text) else { return }
            throw .config(name, text, "Swiftwater has only \(value) here: \(reason)")
        }
    }

    package static func absent(_ hint: String) -> Self {
        Self { (name, item) throws(ConnectError) in
            guard let text = item.text, !text.isEmpty else { return }
            throw .config(name, text, "Swiftwater does not have this option: \(hint)")
        }
    }
}
