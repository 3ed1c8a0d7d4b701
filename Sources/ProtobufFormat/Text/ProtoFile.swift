/// A `.proto` file as it is written: names are not resolved yet, comments are gone.
///
/// This is what is printed and compared; `ProtobufSchema` is what it means.
package struct ProtoFile: Sendable {
    package enum Syntax: String, Sendable {
        case proto2
        case proto3
    }

    /// nil when the text does not say, which means proto2.
    package var syntax: Syntax?
    package var package: String?
    package var imports: [String] = []
    package var publicImports: [String] = []
    package var weakImports: [String] = []
    package var options: [ProtoOption] = []
    /// Messages and enums in the order of the text.
    package var types: [ProtoType] = []
    package var extends: [ProtoExtend] = []
    package var services: [ProtoService] = []

    package init() {}

    package var isProto3: Bool { syntax == .proto3 }

    /// All files that this one names, the public ones last.
    package var allImports: [String] { imports + weakImports + publicImports }

    /// Nesting of messages and of option values beyond this is refused, so that a hostile text cannot exhaust the
    /// stack.
    package static let depthMax = 64
    /// The highest number that a field can have: 2^29 - 1.
    package static let fieldNumberMax: Int32 = 536_870_911
}

package indirect enum ProtoType: Sendable {
    case message(ProtoMessage)
    case enumeration(ProtoEnum)

    package var name: String {
        switch self {
        case .message(let message): message.name
        case .enumeration(let enumeration): enumeration.name
        }
    }
}

package struct ProtoMessage: Sendable {
    package var name: String
    package var position: TextPosition?
    package var options: [ProtoOption] = []
    package var reserved: [ProtoReserved] = []
    /// Those that are in no oneof.
    package var fields: [ProtoField] = []
    package var oneofs: [ProtoOneof] = []
    package var groups: [ProtoGroup] = []
    package var extensionRanges: [ProtoExtensionRanges] = []
    package var extends: [ProtoExtend] = []
    package var types: [ProtoType] = []

    package init(name: String, position: TextPosition? = nil) {
        self.name = name
        self.position = position
    }

    /// Whether this is the message of a map's entries, written out: what a descriptor makes of `map<K, V>`.
    package var isMapEntry: Bool {
        options.last { $0.plainName == "map_entry" }?.value == .word("true")
    }
}

package struct ProtoField: Sendable {
    package enum Label: String, Sendable {
        case required
        case optional
        case repeated
    }

    package var label: Label?
    /// As written: `int32`, `Foo.Bar`, `.pkg.Foo`, `map<string, Foo>`.
    package var type: ProtoFieldType
    package var name: String
    package var number: Int32
    /// Without `default` and `json_name`.
    package var options: [ProtoOption] = []
    package var defaultValue: ProtoOption.Value?
    package var jsonName: String?
    package var position: TextPosition?
}

package enum ProtoFieldType: Sendable, Hashable {
    case scalar(ScalarType)
    case named(String)
    case map(key: ScalarType, value: ProtoMapValue)

    /// As it is written in a field.
    package var text: String {
        switch self {
        case .scalar(let type): type.rawValue
        case .named(let name): name
        case .map(let key, let value): "map<\(key.rawValue), \(value.text)>"
        }
    }
}

/// What a map can hold: anything but a map.
package enum ProtoMapValue: Sendable, Hashable {
    case scalar(ScalarType)
    case named(String)

    package var text: String {
        switch self {
        case .scalar(let type): type.rawValue
        case .named(let name): name
        }
    }
}

package enum ScalarType: String, Sendable, CaseIterable {
    case double, float, int64, uint64, int32, fixed64, fixed32, bool, string, bytes, uint32, sfixed32, sfixed64, sint32,
        sint64

    /// Whether a map can have keys of this type.
    package var isMapKey: Bool {
        switch self {
        case .double, .float, .bytes: false
        default: true
        }
    }
}

package struct ProtoOneof: Sendable {
    package var name: String
    package var options: [ProtoOption] = []
    package var fields: [ProtoField] = []
    package var groups: [ProtoGroup] = []
    package var position: TextPosition?
}

/// A field of proto2 whose message is written in its place.
package struct ProtoGroup: Sendable {
    package var label: ProtoField.Label?
    package var number: Int32
    package var options: [ProtoOption] = []
    /// Its name begins with a capital; the field's name is the same in small letters.
    package var body: ProtoMessage
}

package struct ProtoExtend: Sendable {
    /// The message that is extended, as written.
    package var name: String
    package var fields: [ProtoField] = []
    package var groups: [ProtoGroup] = []
    package var position: TextPosition?
}

/// Both ends belong to it. `end` is the type's highest number where the text says `max`.
package struct ProtoRange: Sendable, Hashable {
    package var start: Int32
    package var end: Int32
}

package struct ProtoReserved: Sendable {
    package enum Value: Sendable, Hashable {
        case number(Int32)
        case range(ProtoRange)
        case name(String)
    }

    package var values: [Value]
}

package struct ProtoExtensionRanges: Sendable {
    package var ranges: [ProtoRange]
    package var options: [ProtoOption] = []
}

package struct ProtoEnum: Sendable {
    package struct Constant: Sendable {
        package var name: String
        package var number: Int32
        package var options: [ProtoOption] = []
        package var position: TextPosition?
    }

    package var name: String
    package var position: TextPosition?
    package var options: [ProtoOption] = []
    package var reserved: [ProtoReserved] = []
    package var constants: [Constant] = []

    package init(name: String, position: TextPosition? = nil) {
        self.name = name
        self.position = position
    }
}

package struct ProtoService: Sendable {
    package struct Method: Sendable {
        package var name: String
        package var request: String
        package var response: String
        package var isRequestStream = false
        package var isResponseStream = false
        package var options: [ProtoOption] = []
        package var position: TextPosition?
    }

    package var name: String
    package var options: [ProtoOption] = []
    package var methods: [Method] = []
}

/// `(confluent.field_meta).doc = "x"`: a name of one or more parts, and a value as written.
package struct ProtoOption: Sendable, Hashable {
    package struct Part: Sendable, Hashable {
        package var name: String
        /// In parentheses: the name of an extension.
        package var isExtension: Bool

        package init(name: String, isExtension: Bool) {
            self.name = name
            self.isExtension = isExtension
        }
    }

    package indirect enum Value: Sendable, Hashable {
        case string([UInt8])
        /// As written, with its sign.
        case number(String)
        /// A name of an enum's constant, true, false, inf, nan, -inf.
        case word(String)
        /// Several values of one name are one list. An extension's name is in brackets.
        case aggregate([Member])
        case list([Value])
    }

    package struct Member: Sendable, Hashable {
        package var name: String
        package var value: Value

        package init(name: String, value: Value) {
            self.name = name
            self.value = value
        }
    }

    package var parts: [Part]
    package var value: Value

    package init(parts: [Part], value: Value) {
        self.parts = parts
        self.value = value
    }

    package init(_ name: String, _ value: Value) {
        parts = [Part(name: name, isExtension: false)]
        self.value = value
    }

    /// The name of an option that is built in and has one part.
    package var plainName: String? {
        parts.count == 1 && parts[0].isExtension == false ? parts[0].name : nil
    }
}
