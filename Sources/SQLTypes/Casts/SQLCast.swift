/// CAST from one type to another, resolved once and applied to many values.
package struct SQLCast: Sendable {
    /// What a null becomes where `ksql.cast.strings.preserve.nulls` is false.
    package static let nullText = "null"

    private let convert: @Sendable (SQLValue) throws(SQLTypesError) -> SQLValue

    package let isIdentity: Bool

    /// - Throws: `.unsupported`: "Cast of A to B is not supported".
    package init(from source: SQLType, to target: SQLType) throws(SQLTypesError) {
        self = try Self.resolve(source, target)
    }

    /// - Throws: `.invalidText`, `.overflow`, `.arithmetic` when the value has no counterpart.
    package func callAsFunction(_ value: SQLValue) throws(SQLTypesError) -> SQLValue {
        if isIdentity || value.isNull { return value }
        return try convert(value)
    }

    private init(isIdentity: Bool, _ convert: @escaping @Sendable (SQLValue) throws(SQLTypesError) -> SQLValue) {
        self.isIdentity = isIdentity
        self.convert = convert
    }

    private init(_ convert: @escaping @Sendable (SQLValue) throws(SQLTypesError) -> SQLValue) {
        self.init(isIdentity: false, convert)
    }

    private static func resolve(_ source: SQLType, _ target: SQLType) throws(SQLTypesError) -> Self {
        if source == target { return Self(isIdentity: true) { value throws(SQLTypesError) in value } }
        if let cast = try container(source, target) ?? toNumber(source, target) ?? toOther(source, target) {
            return cast
        }
        throw SQLTypesError(.unsupported, "Cast of \(source) to \(target) is not supported")
    }

    // MARK: Numbers

    private static func toNumber(_ source: SQLType, _ target: SQLType) -> Self? {
        switch (source, target) {
        case (.int, .bigint): Self { value throws(SQLTypesError) in .bigint(Int64(value.int ?? 0)) }
        case (.int, .double), (.bigint, .double), (.decimal, .double):
            Self { value throws(SQLTypesError) in value.asDouble.map { .double($0) } ?? .null }
        case (.int, .decimal(let precision, let scale)), (.bigint, .decimal(let precision, let scale)):
            Self { value throws(SQLTypesError) in
                guard let number = value.asDecimal else { return .null }
                try number.checkFit(precision: precision, scale: scale)
                return .decimal(number.rescaled(to: scale, rounding: .halfUp))
            }
        case (.bigint, .int):
            Self { value throws(SQLTypesError) in .int(Int32(truncatingIfNeeded: value.bigint ?? 0)) }
        case (.decimal, .int):
            Self { value throws(SQLTypesError) in
                .int(Int32(truncatingIfNeeded: value.decimal?.int64Truncating ?? 0))
            }
        case (.decimal, .bigint): Self { value throws(SQLTypesError) in .bigint(value.decimal?.int64Truncating ?? 0) }
        case (.decimal, .decimal(let precision, let scale)):
            Self { value throws(SQLTypesError) in
                guard let number = value.decimal else { return .null }
                return .decimal(try number.cast(precision: precision, scale: scale))
            }
        case (.double, .int): Self { value throws(SQLTypesError) in .int(Int32(saturating: value.double ?? 0)) }
        case (.double, .bigint): Self { value throws(SQLTypesError) in .bigint(Int64(saturating: value.double ?? 0)) }
        case (.double, .decimal(let precision, let scale)):
            Self { value throws(SQLTypesError) in
                guard let double = value.double else { return .null }
                return .decimal(try SQLDecimal(casting: double, precision: precision, scale: scale))
            }
        case (.string, .int):
            Self { value throws(SQLTypesError) in .int(try NumberText.int(NumberText.trim(value.string ?? ""))) }
        case (.string, .bigint):
            Self { value throws(SQLTypesError) in .bigint(try NumberText.bigint(NumberText.trim(value.string ?? ""))) }
        case (.string, .double):
            Self { value throws(SQLTypesError) in .double(try NumberText.double(value.string ?? "")) }
        case (.string, .decimal(let precision, let scale)):
            Self { value throws(SQLTypesError) in
                let number = try SQLDecimal(NumberText.trim(value.string ?? ""))
                try number.checkFit(precision: precision, scale: scale)
                return .decimal(number.rescaled(to: scale, rounding: .halfUp))
            }
        default: nil
        }
    }

    // MARK: Texts, times, bytes

    private static func toOther(_ source: SQLType, _ target: SQLType) -> Self? {
        switch (source, target) {
        case (.bytes, .string): nil
        case (_, .string):
            Self { value throws(SQLTypesError) in .string(SQLText.text(of: value, type: source)) }
        case (.string, .boolean):
            Self { value throws(SQLTypesError) in .boolean(NumberText.boolean(NumberText.trim(value.string ?? ""))) }
        case (.string, .time):
            Self { value throws(SQLTypesError) in .time(try TimeText.time(NumberText.trim(value.string ?? ""))) }
        case (.string, .date):
            Self { value throws(SQLTypesError) in .date(try TimeText.date(NumberText.trim(value.string ?? ""))) }
        case (.string, .timestamp):
            Self { value throws(SQLTypesError) in
                .timestamp(try TimeText.timestamp(NumberText.trim(value.string ?? "")))
            }
        case (.string, .bytes):
            Self { value throws(SQLTypesError) in
                guard let bytes = Base64.decode(NumberText.trim(value.string ?? "")) else {
                    throw SQLTypesError(.invalidText, "Illegal base64 text: \(value.string ?? "")")
                }
                return .bytes(bytes)
            }
        case (.timestamp, .date):
            Self { value throws(SQLTypesError) in
                .date(Int32(clamping: floorDiv(Int(value.timestamp ?? 0), 86_400_000)))
            }
        case (.timestamp, .time):
            Self { value throws(SQLTypesError) in .time(Int32(floorMod(Int(value.timestamp ?? 0), 86_400_000))) }
        case (.date, .timestamp):
            Self { value throws(SQLTypesError) in .timestamp(Int64(value.date ?? 0) * TimeText.millisPerDay) }
        default: nil
        }
    }

    // MARK: Containers

    private static func container(_ source: SQLType, _ target: SQLType) throws(SQLTypesError) -> Self? {
        switch (source, target) {
        case (.array(let from), .array(let to)):
            guard let element = try? resolve(from, to) else { return nil }
            return Self { value throws(SQLTypesError) in
                var result: [SQLValue] = []
                for item in value.array ?? [] { result.append(try element(item)) }
                return .array(result)
            }
        case (.map(let fromKey, let fromValue), .map(let toKey, let toValue)):
            guard let key = try? resolve(fromKey, toKey), let item = try? resolve(fromValue, toValue) else {
                return nil
            }
            return Self { value throws(SQLTypesError) in
                guard let map = value.map else { return .null }
                var keys: [SQLValue] = []
                var values: [SQLValue] = []
                for (oldKey, oldValue) in map.entries {
                    keys.append(try key(oldKey))
                    values.append(try item(oldValue))
                }
                return .map(SQLMap(keys: keys, values: values))
            }
        case (.structure(let from), .structure(let to)):
            var places: [(at: Int, cast: SQLCast)?] = []
            for field in to {
                guard let at = from.firstIndex(where: { $0.name == field.name }) else {
                    places.append(nil)
                    continue
                }
                guard let cast = try? resolve(from[at].type, field.type) else { return nil }
                places.append((at, cast))
            }
            return Self { [places] value throws(SQLTypesError) in
                let fields = value.structure ?? []
                var result: [SQLValue] = []
                for place in places {
                    guard let place, place.at < fields.count else {
                        result.append(.null)
                        continue
                    }
                    result.append(try place.cast(fields[place.at]))
                }
                return .structure(result)
            }
        default: return nil
        }
    }
}

extension SQLDecimal {
    /// What CAST from DOUBLE does: all binary digits, rounded to the precision and then to the scale, half up.
    ///
    /// - Throws: `.invalidText` for infinities and NaN, `.overflow`.
    package init(casting double: Double, precision: Int, scale: Int) throws(SQLTypesError) {
        if let number = Self.rounded(double, toPrecision: precision),
            number.precision - number.scale <= precision - scale
        {
            self = number.rescaled(to: scale, rounding: .halfUp)
            return
        }
        let number = try SQLDecimal(exactly: double).rounded(toPrecision: precision, rounding: .halfUp)
        try number.checkFit(precision: precision, scale: scale)
        self = number.rescaled(to: scale, rounding: .halfUp)
    }
}

extension SQLDecimal {
    /// What rounding of all binary digits to `digits` of them gives, in machine words; nil when they do not reach.
    private static func rounded(_ double: Double, toPrecision digits: Int) -> SQLDecimal? {
        let magnitude = double.magnitude
        guard magnitude >= 1, magnitude < 1e15, digits <= 17 else { return nil }
        var places = 1
        while places < 15, magnitude >= Double(powersOf10[places]) { places += 1 }
        let scale = digits - places
        // significand · 2^-shift, the significand with 53 bits.
        let shift = 52 - Int(magnitude.exponent)
        guard 0...18 ~= scale, 0...52 ~= shift else { return nil }
        let product = UInt128(magnitude.significandBitPattern | 1 << 52) * UInt128(powersOf10[scale])
        var result = Int64(truncatingIfNeeded: product >> UInt128(shift))
        if shift > 0, product >> UInt128(shift - 1) & 1 == 1 { result += 1 }
        return SQLDecimal(unscaled: double < 0 ? -result : result, scale: scale)
    }
}

extension FixedWidthInteger {
    /// As Java narrows: towards zero, the nearest end for what is outside, 0 for NaN.
    package init(saturating value: Double) {
        if value.isNaN {
            self = 0
        } else if let exact = Self(exactly: value.rounded(.towardZero)) {
            self = exact
        } else {
            self = value < 0 ? .min : .max
        }
    }
}
