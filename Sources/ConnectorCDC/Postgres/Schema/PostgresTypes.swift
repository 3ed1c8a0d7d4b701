/// A type of a database.
struct PostgresType: Sendable, Hashable {
    var oid: UInt32
    var name: String
    /// Of a domain: what it stands on, with the modifier that it gives.
    var base: UInt32 = 0
    var baseModifier: Int32 = -1
    /// Of an array.
    var element: UInt32 = 0
    /// Members of an enumeration, in their order.
    var members: [String] = []
    var isEnumeration: Bool { !members.isEmpty }
}

/// The types of a database by their numbers.
struct PostgresTypes: Sendable {
    private(set) var types: [UInt32: PostgresType] = [:]

    init(_ types: [PostgresType] = []) {
        for type in types { self.types[type.oid] = type }
    }

    subscript(oid: UInt32) -> PostgresType? { types[oid] }

    /// What a column's values are: domains stand for their bases.
    func resolved(_ oid: UInt32, _ modifier: Int32) -> (type: PostgresType, modifier: Int32)? {
        guard var type = types[oid] else { return nil }
        var modifier = modifier
        // Domains can stand on domains, but not in a circle.
        for _ in 0..<100 where type.base != 0 {
            guard let next = types[type.base] else { return nil }
            if type.baseModifier != -1 { modifier = type.baseModifier }
            type = next
        }
        return (type, modifier)
    }

    init(_ connection: PostgresConnection) throws(PostgresError) {
        var members: [UInt32: [String]] = [:]
        for row in try connection.rows(
            "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder")
        {
            if let oid = row[0].flatMap({ UInt32($0) }), let label = row[1] { members[oid, default: []].append(label) }
        }
        var elements: [UInt32: UInt32] = [:]
        var types: [PostgresType] = []
        for row in try connection.rows(
            "SELECT oid, typname, typbasetype, typtypmod, typarray FROM pg_catalog.pg_type WHERE typtype <> 'p'")
        {
            func number(_ place: Int) -> UInt32 { row[place].flatMap { UInt32($0) } ?? 0 }
            let oid = number(0)
            types.append(
                PostgresType(
                    oid: oid, name: row[1] ?? "", base: number(2),
                    baseModifier: row[3].flatMap { Int32($0) } ?? -1, members: members[oid] ?? []))
            if number(4) != 0 { elements[number(4)] = oid }
        }
        self.init(
            types.map { type in
                var type = type
                type.element = elements[type.oid] ?? 0
                return type
            })
    }
}

extension PostgresType {
    /// What stands in brackets behind the type, as JDBC tells it.
    func length(_ modifier: Int32) -> Int? {
        let unlimited = Int(Int32.max)
        let fraction = (0...6).contains(modifier) ? Int(modifier) : 6
        let fractionLength = fraction == 0 ? 0 : fraction + 1
        switch name {
        case "int2": return 5
        case "int4", "oid": return 10
        case "int8": return 19
        case "float4": return 8
        case "float8": return 17
        case "bool", "char": return 1
        case "name": return 63
        case "numeric": return modifier < 4 ? 131_089 : Int((modifier - 4) >> 16 & 0xFFFF)
        case "bpchar", "varchar": return modifier < 4 ? unlimited : Int(modifier - 4)
        case "bit": return modifier < 0 ? 1 : Int(modifier)
        case "varbit": return modifier < 0 ? unlimited : Int(modifier)
        case "date": return 13
        case "time": return 8 + fractionLength
        case "timetz": return 14 + fractionLength
        case "timestamp": return 22 + fractionLength
        case "timestamptz": return 28 + fractionLength
        case "interval": return 49
        default: return unlimited
        }
    }

    func scale(_ modifier: Int32) -> Int? {
        switch name {
        case "float4": return 8
        case "float8": return 17
        case "numeric":
            guard modifier >= 4 else { return 0 }
            // Eleven bits with a sign.
            let bits = Int((modifier - 4) & 0x7FF)
            return bits > 1023 ? bits - 2048 : bits
        case "time", "timetz", "timestamp", "timestamptz": return Self.fractionDigits(modifier)
        case "interval": return modifier < 0 ? 6 : Int(modifier & 0xFFFF)
        default: return 0
        }
    }

    /// Of a time or timestamp.
    static func fractionDigits(_ modifier: Int32) -> Int { (0...6).contains(modifier) ? Int(modifier) : 6 }
}
