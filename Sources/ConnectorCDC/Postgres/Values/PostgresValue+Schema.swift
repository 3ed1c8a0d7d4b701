internal import ConnectCore
internal import SQLTypes

/// From a column's type to its values and schema.
extension PostgresValue {
    private static func named(
        _ kind: ConnectSchema.Kind, _ name: String, _ parameters: [ConnectSchema.Parameter] = []
    ) -> ConnectSchema { ConnectSchema(kind, name: name, version: 1, parameters: parameters) }

    private static let variableDecimal = ConnectSchema(
        .structure, name: "io.debezium.data.VariableScaleDecimal", version: 1, doc: "Variable scaled decimal",
        fields: [.init("scale", .int32), .init("value", .bytes)])
    private static let point = ConnectSchema(
        .structure, name: "io.debezium.data.geometry.Point", version: 1, doc: "Geometry (POINT)",
        fields: [
            .init("x", .float64), .init("y", .float64), .init("wkb", .optionalBytes), .init("srid", .optionalInt32),
        ])

    private static let sparseVector = ConnectSchema(
        .structure, name: "io.debezium.data.SparseVector", version: 1, doc: "Sparse vector",
        fields: [
            .init("dimensions", .int16),
            .init("vector", ConnectSchema(.map, keySchema: .int16, valueSchema: .float64)),
        ])

    private static func shape(_ name: String) -> ConnectSchema {
        ConnectSchema(
            .structure, name: "io.debezium.data.geometry." + name, version: 1,
            fields: [.init("wkb", .bytes), .init("srid", .optionalInt32)])
    }

    /// - Parameter warning: hears of values that the schema cannot hold.
    /// - Returns: nil for a type whose columns are left out.
    static func make(
        _ oid: UInt32, _ modifier: Int32, _ types: PostgresTypes, _ modes: PostgresModes, name: String,
        warning: PostgresWarning? = nil
    ) -> PostgresValue? {
        guard let (type, modifier) = types.resolved(oid, modifier) else { return unknown(modes, name) }
        func made(_ kind: Kind, _ schema: ConnectSchema, scale: Int = 0) -> PostgresValue {
            PostgresValue(kind, schema, modes, name: name, scale: scale, warning: warning)
        }
        if type.isEnumeration {
            return made(
                .text,
                named(.string, "io.debezium.data.Enum", [.init("allowed", type.members.joined(separator: ","))]))
        }
        if type.element != 0 { return array(type, modifier, types, modes, name, warning) }
        switch type.name {
        case "bool": return made(.boolean, .boolean)
        case "bit", "varbit":
            let length = type.length(modifier) ?? 1
            if length <= 1 { return made(.boolean, .boolean) }
            return made(.bits, named(.bytes, "io.debezium.data.Bits", [.init("length", String(length))]))
        case "int2": return made(.int16, .int16)
        case "int4": return made(.int32, .int32)
        case "int8", "oid": return made(.int64, .int64)
        case "float4": return made(.float32, .float32)
        case "float8": return made(.float64, .float64)
        case "numeric": return numeric(type, modifier, modes, name)
        case "money":
            let schema: ConnectSchema =
                switch modes.decimals {
                case .precise:
                    named(
                        .bytes, LogicalType.decimal.rawValue, [.init("scale", String(modes.moneyFractionDigits))])
                case .string: .string
                case .double: .float64
                }
            return made(.money, schema, scale: modes.moneyFractionDigits)
        case "text", "varchar", "bpchar", "char", "citext", "inet", "cidr", "macaddr", "macaddr8", "tsrange",
            "tstzrange",
            "daterange", "int4range", "int8range", "numrange", "isbn":
            return made(.text, .string)
        case "name": return made(.name, .string)
        case "json", "jsonb": return made(.text, named(.string, "io.debezium.data.Json"))
        case "xml": return made(.text, named(.string, "io.debezium.data.Xml"))
        case "uuid": return made(.uuid, named(.string, "io.debezium.data.Uuid"))
        case "ltree": return made(.text, named(.string, "io.debezium.data.Ltree"))
        case "tsvector": return made(.text, named(.string, "io.debezium.data.Tsvector"))
        case "bytea": return made(.bytea, modes.bytes == .bytes ? .bytes : .string)
        case "date", "time", "timetz", "timestamp", "timestamptz", "interval":
            return temporal(type, modifier, modes, name, warning)
        case "hstore":
            return made(
                .hstore,
                modes.hstores == .json
                    ? named(.string, "io.debezium.data.Json")
                    : ConnectSchema(.map, keySchema: .string, valueSchema: .optionalString))
        case "point": return made(.point(point), point)
        case "geometry": return made(.geometry(shape("Geometry")), shape("Geometry"))
        case "geography": return made(.geometry(shape("Geography")), shape("Geography"))
        case "vector":
            return made(
                .vector(isSingle: false),
                ConnectSchema(.array, name: "io.debezium.data.DoubleVector", version: 1, valueSchema: .float64))
        case "halfvec":
            return made(
                .vector(isSingle: true),
                ConnectSchema(.array, name: "io.debezium.data.FloatVector", version: 1, valueSchema: .float32))
        case "sparsevec": return made(.sparseVector(sparseVector), sparseVector)
        case "box", "circle", "line", "lseg", "path", "polygon":
            return modes.includesUnknown ? made(.geometric, modes.bytes == .bytes ? .bytes : .string) : nil
        default: return unknown(modes, name)
        }
    }

    private static func unknown(_ modes: PostgresModes, _ name: String) -> PostgresValue? {
        guard modes.includesUnknown else { return nil }
        return PostgresValue(.unknown, modes.bytes == .bytes ? .bytes : .string, modes, name: name)
    }

    private static func numeric(
        _ type: PostgresType, _ modifier: Int32, _ modes: PostgresModes, _ name: String
    ) -> PostgresValue {
        let isVariable = modifier < 4
        let scale = type.scale(modifier) ?? 0
        let schema: ConnectSchema =
            switch modes.decimals {
            case .precise where isVariable: variableDecimal
            case .precise:
                named(
                    .bytes, LogicalType.decimal.rawValue,
                    [
                        .init("scale", String(scale)),
                        .init("connect.decimal.precision", String(type.length(modifier) ?? 0)),
                    ])
            case .string: .string
            case .double: .float64
            }
        return PostgresValue(
            isVariable ? .variableNumeric(variableDecimal) : .numeric, schema, modes, name: name, scale: scale)
    }

    private static func temporal(
        _ type: PostgresType, _ modifier: Int32, _ modes: PostgresModes, _ name: String, _ warning: PostgresWarning?
    ) -> PostgresValue {
        let digits = PostgresType.fractionDigits(modifier)
        let (kind, schema): (Kind, ConnectSchema) =
            switch (type.name, modes.times) {
            case ("date", .connect): (.date, .date)
            case ("date", .isostring): (.date, named(.string, "io.debezium.time.IsoDate"))
            case ("date", _): (.date, named(.int32, "io.debezium.time.Date"))
            case ("time", .connect): (.time(fractionDigits: digits), .time)
            case ("time", .isostring):
                (.time(fractionDigits: digits), named(.string, "io.debezium.time.IsoTime"))
            case ("time", .nanoseconds):
                (.time(fractionDigits: digits), named(.int64, "io.debezium.time.NanoTime"))
            case ("time", .adaptive) where digits <= 3:
                (.time(fractionDigits: digits), named(.int32, "io.debezium.time.Time"))
            case ("time", _): (.time(fractionDigits: digits), named(.int64, "io.debezium.time.MicroTime"))
            case ("timetz", _): (.zonedTime, named(.string, "io.debezium.time.ZonedTime"))
            case ("timestamptz", _):
                (.zonedTimestamp(fractionDigits: digits), named(.string, "io.debezium.time.ZonedTimestamp"))
            case ("interval", _):
                (
                    .interval,
                    modes.intervals == .string
                        ? named(.string, "io.debezium.time.Interval") : named(.int64, "io.debezium.time.MicroDuration")
                )
            case (_, .connect): (.timestamp(fractionDigits: digits), .timestamp)
            case (_, .isostring):
                (.timestamp(fractionDigits: digits), named(.string, "io.debezium.time.IsoTimestamp"))
            case (_, .nanoseconds):
                (.timestamp(fractionDigits: digits), named(.int64, "io.debezium.time.NanoTimestamp"))
            case (_, .adaptive) where digits <= 3, (_, .adaptiveTimeMicroseconds) where digits <= 3:
                (.timestamp(fractionDigits: digits), named(.int64, "io.debezium.time.Timestamp"))
            case (_, _): (.timestamp(fractionDigits: digits), named(.int64, "io.debezium.time.MicroTimestamp"))
            }
        return PostgresValue(kind, schema, modes, name: name, warning: warning)
    }

    /// Arrays of these types the original leaves out.
    private static let lonelyTypes: Set<String> = ["money", "name", "interval", "varbit", "xml", "point", "refcursor"]

    private static func array(
        _ type: PostgresType, _ modifier: Int32, _ types: PostgresTypes, _ modes: PostgresModes, _ name: String,
        _ warning: PostgresWarning?
    ) -> PostgresValue? {
        guard let element = types[type.element], !lonelyTypes.contains(element.name),
            let value = make(type.element, modifier, types, modes, name: name, warning: warning)
        else { return nil }
        // Of an enumeration's schema the original forgets that members may be NULL.
        let schema = element.isEnumeration ? value.schema : value.schema.with(isOptional: true)
        return PostgresValue(.array(value), .array(schema), modes, name: name)
    }

    // MARK: Columns

    /// The codec of a column; `.unknown` when it is left out.
    ///
    /// - Parameters:
    ///   - parameters: what is added to the schema: the source's type.
    ///   - doc: the column's comment.
    ///   - warning: hears of values that the schema cannot hold.
    static func codec(
        _ definition: ColumnDefinition, _ column: PostgresTable.Column, _ types: PostgresTypes, _ modes: PostgresModes,
        parameters: [ConnectSchema.Parameter], doc: String?, warning: PostgresWarning? = nil
    ) -> ColumnCodec {
        func made(_ kind: ColumnCodec.Kind, _ schema: ConnectSchema) -> ColumnCodec {
            ColumnCodec(
                kind: kind, schema: schema, isOptional: definition.isOptional, times: .adaptiveTimeMicroseconds,
                name: definition.name)
        }
        guard
            let value = make(
                column.type, column.modifier, types, modes, name: definition.name, warning: warning)
        else { return made(.unknown, .string) }
        let bare = value.schema.with(
            isOptional: definition.isOptional, doc: .some(doc ?? value.schema.doc),
            parameters: value.schema.parameters + parameters)
        guard let expression = definition.defaultExpression,
            let preset = PostgresDefault.value(expression, of: types[column.type], value)
        else { return made(.postgres(value), bare) }
        return made(.postgres(value), bare.with(defaultValue: .some(preset)))
    }
}
