import Avro
import ProtobufFormat
package import SQLTypes

/// Registered schemas and SQL columns: what each is in terms of the other.
package enum RegistrySchemas {
    /// Finds what a reference refers to; nil when there is no such schema.
    package typealias References = (RegistrySchema.Reference) throws(FormatError) -> RegistrySchema?

    /// The schema that a format writes columns with.
    ///
    /// - Throws: `.schema` when the format has no schemas or cannot have the columns.
    package static func schema(of columns: [SQLField], format: SerdeFormat) throws(FormatError) -> RegistrySchema {
        let isUnwrapped = RecordFormats.isUnwrapped(format, columns)
        let fullName = format.info.properties[FormatInfo.fullSchemaNameProperty]
        switch format.info.format {
        case .avro:
            let text = try AvroDerivation.text(columns, fullName: fullName, isUnwrapped: isUnwrapped)
            do throws(AvroError) {
                return RegistrySchema(type: "AVRO", text: try AvroSchema(text).text(.canonical))
            } catch {
                throw FormatError(.schema, "Schema is not compatible with Avro: \(error.message)")
            }
        case .jsonSR:
            return RegistrySchema(type: "JSON", text: JSONSchemaDerivation.text(columns, isUnwrapped: isUnwrapped))
        case .protobuf, .protobufNoSR:
            let file = try ProtobufDerivation.file(columns, fullName: fullName, nullability: nullability(format))
            return RegistrySchema(type: "PROTOBUF", text: file.canonicalText)
        case .none, .kafka, .delimited, .json:
            throw FormatError(.schema, "Format \(format.info.format.rawValue) does not have schemas")
        }
    }

    /// The columns of a schema.
    ///
    /// - Parameter keepsNames: names stay as they are instead of becoming upper-case.
    /// - Throws: `.schema`: why they cannot be read from it.
    package static func columns(
        of schema: RegistrySchema, references: References, format: SerdeFormat, isKey: Bool, keepsNames: Bool
    ) throws(FormatError) -> [SQLField] {
        let type: SQLType
        do throws(UnsupportedType) {
            type = try self.type(
                of: schema, references: references, format: format, keepsNames: keepsNames,
                unwraps: format.info.properties[FormatInfo.unwrapPrimitivesProperty] == "true")
        } catch {
            if let problem = error.problem { throw problem }
            throw FormatError(.schema, "Unsupported type at root of schema: \(error.message)")
        }
        if format.features.contains(.unwrapSingles) {
            return [SQLField(isKey ? "ROWKEY" : "ROWVAL", type)]
        }
        guard case .structure(let fields) = type else {
            throw FormatError(
                .schema,
                "Schema returned from schema registry is anonymous type. To use this schema with ksqlDB, set "
                    + "'WRAP_SINGLE_VALUE=false' in the WITH clause properties.")
        }
        guard !fields.isEmpty else {
            throw FormatError(
                .schema, "Schema does not include any columns with types that ksqlDB supports.")
        }
        return fields
    }

    /// The type of a schema's values.
    ///
    /// - Parameter unwraps: whether messages of Google's that hold one value are that value.
    static func type(
        of schema: RegistrySchema, references: References, format: SerdeFormat, keepsNames: Bool, unwraps: Bool
    ) throws(UnsupportedType) -> SQLType {
        var inference = ColumnInference(keepsNames: keepsNames)
        switch schema.type {
        case "AVRO": return try inference.type(of: try avro(schema, references))
        case "JSON": return try inference.type(of: try json(schema, references))
        case "PROTOBUF":
            return try inference.type(
                of: try protobuf(schema, references),
                message: format.info.properties[FormatInfo.fullSchemaNameProperty].map { NumberText.trim($0) },
                unwraps: unwraps)
        default: throw UnsupportedType(message: "Unknown schema type: \(schema.type)")
        }
    }

    private static func avro(_ schema: RegistrySchema, _ look: References) throws(UnsupportedType) -> AvroSchema {
        do throws(FormatError) { return try LoadedSchema.avro(schema, look) } catch { throw UnsupportedType(error) }
    }

    private static func protobuf(
        _ schema: RegistrySchema, _ look: References
    ) throws(UnsupportedType) -> ProtobufSchema {
        do throws(FormatError) { return try LoadedSchema.protobuf(schema, look) } catch { throw UnsupportedType(error) }
    }

    private static func json(_ schema: RegistrySchema, _ look: References) throws(UnsupportedType) -> JSONSchemaNode {
        do throws(FormatError) { return try LoadedSchema.json(schema, look) } catch { throw UnsupportedType(error) }
    }

    /// The full names of the records or messages that a schema defines, the first being that at its top.
    package static func names(in schema: RegistrySchema, references: References) -> [String] {
        do throws(FormatError) {
            switch schema.type {
            case "AVRO":
                let type = try LoadedSchema.avro(schema, references).type
                return type.name.map { [$0.full] } ?? []
            case "PROTOBUF":
                return try LoadedSchema.protobuf(schema, references).messages
                    .filter { $0.file.isEmpty && $0.path?.count == 1 }.map(\.fullName)
            default: return []
            }
        } catch {
            return []  // a schema that cannot be read defines nothing that could be named
        }
    }

    /// Whether records of a schema can be of the message of that name, at its top or inside another one.
    ///
    /// True for schemas other than Protobuf's: the name of an Avro record only says what is written.
    package static func hasMessage(named name: String, in schema: RegistrySchema, references: References) -> Bool {
        let name = NumberText.trim(name)
        // The original's name for messages that nobody names.
        guard schema.type == "PROTOBUF", !name.hasPrefix("ConnectDefault") else { return true }
        do throws(FormatError) {
            return try LoadedSchema.protobuf(schema, references).messageIndex(named: name) != nil
        } catch {
            return true  // why it cannot be read is told where its columns are asked for
        }
    }

    static func nullability(_ format: SerdeFormat) -> ProtobufDerivation.Nullability {
        switch format.info.properties[FormatInfo.nullableRepresentationProperty]?.uppercased() {
        case "OPTIONAL": .optional
        case "WRAPPER": .wrapper
        default: .none
        }
    }
}

/// A type that SQL does not have: fields of it are left out.
struct UnsupportedType: Error {
    var message: String
    /// What is wrong with the schema as a whole.
    var problem: FormatError?

    init(message: String) { self.message = message }

    init(_ problem: FormatError) {
        message = problem.message
        self.problem = problem
    }
}
