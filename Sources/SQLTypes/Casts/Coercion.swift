/// Which values pass as which types without a CAST.
package enum Coercion {
    /// Whether values of a kind of type are accepted where another is wanted: themselves, numbers as wider numbers
    /// (INT, BIGINT, DECIMAL, DOUBLE), texts as times.
    package static func canCast(_ source: SQLType.Base, to target: SQLType.Base) -> Bool {
        if source == target { return true }
        if let a = numberRank(source), let b = numberRank(target) { return a <= b }
        return source == .string && (target == .time || target == .date || target == .timestamp)
    }

    private static func numberRank(_ base: SQLType.Base) -> Int? {
        switch base {
        case .int: 0
        case .bigint: 1
        case .decimal: 2
        case .double: 3
        default: nil
        }
    }

    /// The DECIMAL that holds both; nil unless both are integers or decimals.
    package static func widened(_ a: SQLType, _ b: SQLType) -> SQLType? {
        guard let a = a.decimalShape, let b = b.decimalShape else { return nil }
        let scale = max(a.scale, b.scale)
        return .decimal(precision: max(a.precision - a.scale, b.precision - b.scale) + scale, scale: scale)
    }

    /// The type that values of `source` take when they pass as `target`, which for containers and decimals may be wider
    /// than both; nil when they do not pass.
    ///
    /// - Parameter isLiteral: literals pass as texts, and texts as what they spell.
    package static func common(_ source: SQLType, _ target: SQLType, isLiteral: Bool) -> SQLType? {
        switch (source, target) {
        case (.array(let a), .array(let b)): return common(a, b, isLiteral: isLiteral).map { .array($0) }
        case (.map(let aKey, let aValue), .map(let bKey, let bValue)):
            guard let key = common(aKey, bKey, isLiteral: isLiteral),
                let value = common(aValue, bValue, isLiteral: isLiteral)
            else { return nil }
            return .map(key: key, value: value)
        case (.structure(let a), .structure(let b)):
            var fields: [SQLField] = []
            for field in a {
                guard let other = b.first(where: { $0.name == field.name }) else {
                    fields.append(field)
                    continue
                }
                guard let type = common(field.type, other.type, isLiteral: isLiteral) else { return nil }
                fields.append(SQLField(field.name, type))
            }
            for field in b where !a.contains(where: { $0.name == field.name }) { fields.append(field) }
            return .structure(fields)
        case (.decimal, .decimal): return widened(source, target)
        case (.int, .decimal), (.bigint, .decimal): return widened(source, target)
        case _ where source == target: return target
        case _ where source.isNumber && target.isNumber: return canCast(source.base, to: target.base) ? target : nil
        case (.string, _) where isLiteral && (target.isPrimitive && target != .bytes): return target
        case (_, .string) where isLiteral && source.isPrimitive: return target
        default: return nil
        }
    }

    /// A literal as a value of another type.
    ///
    /// - Throws: `.invalidText`: "invalid input syntax for type T: "x"."; `.unsupported` when the types do not allow it;
    ///   `.overflow` when it does not fit.
    package static func literal(
        _ value: SQLValue, of source: SQLType, as target: SQLType
    ) throws(SQLTypesError) -> SQLValue {
        if value.isNull || source == target { return value }
        switch (value, target) {
        case (.string(let text), _) where target != .string:
            do { return try parse(text, as: target) } catch {
                if error.code == .unsupported { throw error }
                throw invalidSyntax(text, target)
            }
        case (_, .string) where source.isPrimitive && source != .bytes:
            return .string(SQLText.text(of: value, type: source))
        default:
            guard canCast(source.base, to: target.base) else {
                throw SQLTypesError(.unsupported, "Cannot coerce \(source) to \(target)")
            }
            return try SQLCast(from: source, to: target)(value)
        }
    }

    private static func parse(_ text: String, as target: SQLType) throws(SQLTypesError) -> SQLValue {
        switch target {
        case .boolean:
            guard let value = NumberText.exactBoolean(NumberText.trim(text)) else {
                throw SQLTypesError(.invalidText, text)
            }
            return .boolean(value)
        case .int, .bigint:
            // "2e1" and "4.000" are whole numbers too.
            guard let whole = try SQLDecimal(NumberText.trim(text)).rescaledExactly(to: 0),
                let value = whole.unscaledInt64
            else { throw SQLTypesError(.invalidText, text) }
            if target == .bigint { return .bigint(value) }
            guard let small = Int32(exactly: value) else { throw SQLTypesError(.invalidText, text) }
            return .int(small)
        case .double, .decimal, .time, .date, .timestamp: return try SQLCast(from: .string, to: target)(.string(text))
        default: throw SQLTypesError(.unsupported, "Cannot coerce STRING to \(target)")
        }
    }

    static func invalidSyntax(_ text: String, _ target: SQLType) -> SQLTypesError {
        SQLTypesError(.invalidText, "invalid input syntax for type \(target.base.rawValue): \"\(text)\".")
    }
}
