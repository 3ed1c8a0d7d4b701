/// The options of the JSON Schema converter that decide what schemas become.
package struct JSONSchemaOptions: Sendable, Hashable {
    /// `object.additional.properties=false`: objects have the properties of their schema and no others.
    var closesObjects = false
    /// `use.optional.for.nonrequired`.
    var makesOptional = false
    /// `flatten.singleton.unions`.
    var flattensSingletons = true

    package init() {}

    package init(_ properties: [String: String]) throws(ConnectError) {
        closesObjects = try !ConfigItem.flag("object.additional.properties", properties, true)
        makesOptional = try ConfigItem.flag("use.optional.for.nonrequired", properties, false)
        flattensSingletons = try ConfigItem.flag("flatten.singleton.unions", properties, true)
    }
}
