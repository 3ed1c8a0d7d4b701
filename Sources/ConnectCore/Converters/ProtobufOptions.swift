/// The options of the Protobuf converter that decide how fields that may be null are written, and what names types have.
package struct ProtobufOptions: Sendable, Hashable {
    /// `optional.for.nullables`: such fields are `optional`, and only those are optional in Connect.
    var marksOptional = false
    /// `wrapper.for.nullables`: such fields are wrapped, `google.protobuf.StringValue` and the like.
    var wraps = false
    /// `enhanced.protobuf.schema.support`: structs have the full names of their messages.
    var isEnhanced = false

    /// `scrub.invalid.names`.
    var scrubs = false
    /// `ignore.default.for.nullables`.
    var ignoresDefaults = false
    /// `int.for.enums`.
    var usesNumbers = false
    /// `optional.for.proto2`: unset optional fields of proto2 are null.
    var supportsProto2 = true
    /// `wrapper.for.raw.primitives`: a message that is a wrapper is the value in it.
    var unwraps = true
    /// `generate.struct.for.nulls`: what is not set is what it would be with defaults.
    var fillsUnset = false
    /// `generate.index.for.unions`.
    var numbersUnions = true
    /// `flatten.unions`: a union's fields stand beside the others.
    var flattensUnions = false

    /// Without either option every field may be null in Connect.
    var hasOptionalFields: Bool { !marksOptional && !wraps }

    package init() {}

    package init(_ properties: [String: String]) throws(ConnectError) {
        marksOptional = try ConfigItem.flag("optional.for.nullables", properties, false)
        wraps = try ConfigItem.flag("wrapper.for.nullables", properties, false)
        isEnhanced = try ConfigItem.flag("enhanced.protobuf.schema.support", properties, false)
        scrubs = try ConfigItem.flag("scrub.invalid.names", properties, false)
        ignoresDefaults = try ConfigItem.flag("ignore.default.for.nullables", properties, false)
        usesNumbers = try ConfigItem.flag("int.for.enums", properties, false)
        supportsProto2 = try ConfigItem.flag("optional.for.proto2", properties, true)
        unwraps = try ConfigItem.flag("wrapper.for.raw.primitives", properties, true)
        fillsUnset = try ConfigItem.flag("generate.struct.for.nulls", properties, false)
        numbersUnions = try ConfigItem.flag("generate.index.for.unions", properties, true)
        flattensUnions = try ConfigItem.flag("flatten.unions", properties, false)
    }

    /// The name that a union has as a field.
    func unionField(_ name: String, _ index: Int) -> String { numbersUnions ? name + "_" + String(index) : name }

    /// A name of one part, as Protobuf has it.
    func fieldName(_ name: String) -> String { scrubs ? ScrubbedName.protobuf(name) : name }

    /// `fieldName`, for a name that is going to be one.
    ///
    /// - Throws: what Protobuf's library says of a name that it does not take.
    func identifier(_ name: String, in owner: String) throws(ConnectError) -> String {
        let made = fieldName(name)
        guard made.isEmpty || !ScrubbedName.isAvro(made) else { return made }
        throw ConnectError(
            .illegalState,
            "com.google.protobuf.Descriptors$DescriptorValidationException: "
                + (owner.isEmpty ? name : owner + "." + name) + ": \"\(name)\" is not a valid identifier. "
                + "(scrub.invalid.names=true makes one of it)")
    }

    static let wrappersFile = "google/protobuf/wrappers.proto"

    /// The wrapper of a value that Protobuf has a type for.
    static func wrapper(_ kind: ConnectSchema.Kind) -> String? {
        switch kind {
        case .int8, .int16, .int32: "google.protobuf.Int32Value"
        case .int64: "google.protobuf.Int64Value"
        case .float32: "google.protobuf.FloatValue"
        case .float64: "google.protobuf.DoubleValue"
        case .boolean: "google.protobuf.BoolValue"
        case .string: "google.protobuf.StringValue"
        case .bytes: "google.protobuf.BytesValue"
        case .array, .map, .structure: nil
        }
    }

    /// What a message is in Connect that is a wrapper; nil for other messages.
    static func wrapped(_ message: String) -> ConnectSchema? {
        switch message {
        case "google.protobuf.Int32Value": .int32
        case "google.protobuf.Int64Value", "google.protobuf.UInt32Value", "google.protobuf.UInt64Value": .int64
        case "google.protobuf.FloatValue": .float32
        case "google.protobuf.DoubleValue": .float64
        case "google.protobuf.BoolValue": .boolean
        case "google.protobuf.StringValue": .string
        case "google.protobuf.BytesValue": .bytes
        default: nil
        }
    }
}
