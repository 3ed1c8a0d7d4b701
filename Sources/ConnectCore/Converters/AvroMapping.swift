/// Names and rules of the mapping between Connect's and Avro's schemas: Confluent's `AvroData`.
package enum AvroMapping {
    package struct Options: Sendable, Hashable {
        /// `connect.meta.data`.
        package var writesMetadata = true
        /// `enhanced.avro.schema.support`.
        package var isEnhanced = false

        package init() {}

        package init(_ properties: [String: String]) throws(ConnectError) {
            if let text = properties["connect.meta.data"] {
                writesMetadata = try ConfigItem.parse(text, .boolean, "connect.meta.data") == .boolean(true)
            }
            if let text = properties["enhanced.avro.schema.support"] {
                isEnhanced = try ConfigItem.parse(text, .boolean, "enhanced.avro.schema.support") == .boolean(true)
            }
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
