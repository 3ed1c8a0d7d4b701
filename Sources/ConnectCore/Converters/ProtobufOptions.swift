/// The options of the Protobuf converter that decide how fields that may be null are written, and what names types have.
package struct ProtobufOptions: Sendable, Hashable {
    /// `optional.for.nullables`: such fields are `optional`, and only those are optional in Connect.
    var marksOptional = false
    /// `wrapper.for.nullables`: such fields are wrapped, `google.protobuf.StringValue` and the like.
    var wraps = false
    /// `enhanced.protobuf.schema.support`: structs have the full names of their messages.
    var isEnhanced = false

    /// Without either option every field may be null in Connect.
    var hasOptionalFields: Bool { !marksOptional && !wraps }

    package init() {}

    package init(_ properties: [String: String]) throws(ConnectError) {
        func flag(_ name: String) throws(ConnectError) -> Bool {
            guard let text = properties[name] else { return false }
            return try ConfigItem.parse(text, .boolean, name) == .boolean(true)
        }
        marksOptional = try flag("optional.for.nullables")
        wraps = try flag("wrapper.for.nullables")
        isEnhanced = try flag("enhanced.protobuf.schema.support")
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
