/// Names and rules of the mapping between Connect's and Avro's schemas: Confluent's `AvroData`.
package enum AvroMapping {
    package struct Options: Sendable, Hashable {
        /// `connect.meta.data`.
        package var writesMetadata = true
        /// `enhanced.avro.schema.support`.
        package var isEnhanced = false
        /// `scrub.invalid.names`.
        package var scrubs = false
        /// `ignore.default.for.nullables`.
        package var ignoresDefaults = false
        /// `allow.optional.map.keys`.
        package var allowsOptionalKeys = false
        /// `flatten.singleton.unions`.
        package var flattensSingletons = true

        package init() {}

        package init(_ properties: [String: String]) throws(ConnectError) {
            writesMetadata = try ConfigItem.flag("connect.meta.data", properties, true)
            isEnhanced = try ConfigItem.flag("enhanced.avro.schema.support", properties, false)
            scrubs = try ConfigItem.flag("scrub.invalid.names", properties, false)
            ignoresDefaults = try ConfigItem.flag("ignore.default.for.nullables", properties, false)
            allowsOptionalKeys = try ConfigItem.flag("allow.optional.map.keys", properties, false)
            flattensSingletons = try ConfigItem.flag("flatten.singleton.unions", properties, true)
        }

        /// A name of one part, as Avro has it.
        func fieldName(_ name: String) -> String { scrubs ? ScrubbedName.avro(name) : name }

        /// The name of a type.
        func typeName(_ name: String) -> String { scrubs ? ScrubbedName.parts(name, ScrubbedName.avro) : name }

        /// The place of the struct's field that has this name in Avro.
        func place(of name: String, in schema: ConnectSchema) -> Int? {
            schema.index(of: name)
                ?? (scrubs ? schema.fields.firstIndex { ScrubbedName.avro($0.name) == name } : nil)
        }

        /// Whether a map is Avro's own, whose keys are texts.
        func hasPlainKeys(_ schema: ConnectSchema) -> Bool {
            guard let keys = schema.keySchema, keys.kind == .string else { return false }
            return !keys.isOptional || allowsOptionalKeys
        }
    }

    static let namespace = "io.confluent.connect.avro"
    /// The name of the first record of a schema whose struct has none; those behind it have a number, from 2.
    static let defaultName = namespace + ".ConnectDefault"
    static let union = namespace + ".Union"
    static let enumeration = namespace + ".Enum"
    static let generalEnumeration = "org.apache.kafka.connect.data.Enum"
    static let entry = "MapEntry"
    static let precision = "connect.decimal.precision"
    static let precisionDefault = 64
    static let fieldDoc = namespace + ".field.doc."
    static let fixedSize = "connect.fixed.size"
    static let depthMax = 128

    /// The parameter under which a string schema keeps the enum that it was.
    static func enumerationName(_ schema: ConnectSchema) -> (name: String, symbols: [String])? {
        for key in [generalEnumeration, enumeration] {
            guard let name = schema.parameter(key) else { continue }
            let prefix = key + "."
            return (
                name,
                schema.parameters.filter { $0.name.hasPrefix(prefix) }.map { String($0.name.dropFirst(prefix.count)) }
            )
        }
        return nil
    }

    /// The name that a branch of a union has as a field.
    static func branchName(_ fullName: String, isEnhanced: Bool) -> String {
        isEnhanced ? fullName : fullName.split(separator: ".").last.map(String.init) ?? fullName
    }
}
