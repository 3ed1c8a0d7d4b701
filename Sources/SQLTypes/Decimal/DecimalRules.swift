/// An operation on numbers.
package enum SQLArithmetic: String, Sendable, CaseIterable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case modulo = "%"

    /// As error texts name it.
    package var name: String {
        switch self {
        case .add: "ADD"
        case .subtract: "SUBTRACT"
        case .multiply: "MULTIPLY"
        case .divide: "DIVIDE"
        case .modulo: "MODULUS"
        }
    }

    /// The type of the result: DOUBLE with any DOUBLE, DECIMAL with any DECIMAL, else the larger integer; texts are
    /// added only.
    ///
    /// - Throws: `.unsupported` in ksqlDB's words.
    package func resultType(_ left: SQLType, _ right: SQLType) throws(SQLTypesError) -> SQLType {
        if left.isNumber, right.isNumber {
            if left == .double || right == .double { return .double }
            if let a = left.decimalShape, let b = right.decimalShape, left.base == .decimal || right.base == .decimal {
                return try decimalType(a, b)
            }
            return left == .bigint || right == .bigint ? .bigint : .int
        }
        if left == .string, right == .string, self == .add { return .string }
        throw SQLTypesError(.unsupported, "Unsupported arithmetic types. \(left.base.rawValue) \(right.base.rawValue)")
    }

    private func decimalType(
        _ a: (precision: Int, scale: Int), _ b: (precision: Int, scale: Int)
    ) throws(SQLTypesError) -> SQLType {
        let precision: Int
        let scale: Int
        switch self {
        case .add, .subtract:
            scale = max(a.scale, b.scale)
            precision = scale + max(a.precision - a.scale, b.precision - b.scale) + 1
        case .multiply:
            scale = a.scale + b.scale
            precision = a.precision + b.precision + 1
        case .divide:
            scale = max(6, a.scale + b.precision + 1)
            precision = a.precision - a.scale + b.scale + scale
        case .modulo:
            scale = max(a.scale, b.scale)
            precision = min(a.precision - a.scale, b.precision - b.scale) + scale
        }
        return try SQLType.checkedDecimal(precision: precision, scale: scale)
    }

    /// Computes with two decimals; the result has the scale of the result's type.
    ///
    /// - Throws: `.arithmetic`: division by zero, or a result that the type's digits cannot hold exactly, as the
    ///   original refuses to round here.
    package func apply(
        _ a: SQLDecimal, _ b: SQLDecimal, precision: Int, scale: Int
    ) throws(SQLTypesError) -> SQLDecimal {
        let result: SQLDecimal
        switch self {
        case .add: result = a + b
        case .subtract: result = a - b
        case .multiply: result = a * b
        case .divide:
            // A digit more than the type has shows whether the quotient ends.
            result = try a.dividing(by: b, scale: scale + precision + 1, rounding: .up)
        case .modulo:
            // The original computes with the digits of the result's type, also the quotient that it does not give out.
            guard try a.dividing(by: b, scale: 0, rounding: .down).hasAtMost(digits: precision) else {
                throw SQLTypesError(.arithmetic, "Division impossible")
            }
            result = try a.remainder(dividingBy: b)
        }
        guard let exact = result.rescaledExactly(to: scale), exact.hasAtMost(digits: precision) else {
            throw SQLTypesError(.arithmetic, "Rounding necessary")
        }
        return exact
    }
}

extension SQLDecimal {
    /// Whether zeros at the end are all that there is beyond `digits` digits.
    fileprivate func hasAtMost(digits: Int) -> Bool {
        precision <= digits || strippingTrailingZeros.precision <= digits
    }
}

extension SQLType {
    /// Precision and scale of a DECIMAL, and of the integers as such; nil for other types.
    package var decimalShape: (precision: Int, scale: Int)? {
        switch self {
        case .int: (10, 0)
        case .bigint: (19, 0)
        case .decimal(let precision, let scale): (precision, scale)
        default: nil
        }
    }
}

extension SQLDecimal {
    /// Checks that the number fits DECIMAL(`precision`, `scale`) before it is rounded.
    ///
    /// - Throws: `.overflow` in ksqlDB's words.
    package func checkFit(precision: Int, scale: Int) throws(SQLTypesError) {
        let places = precision - scale
        // |x| >= 10^places: it has more places before the point than the type.
        guard isZero || self.precision - self.scale <= places else {
            throw SQLTypesError(
                .overflow,
                "Numeric field overflow: A field with precision \(precision) and scale \(scale) must round to an absolute "
                    + "value less than 10^\(places). Got \(plainText)")
        }
    }

    /// What CAST to DECIMAL does with a decimal: checks, then rounds half up.
    ///
    /// - Throws: `.overflow`.
    package func cast(precision: Int, scale: Int) throws(SQLTypesError) -> SQLDecimal {
        if scale == self.scale, precision == self.precision { return self }
        try checkFit(precision: precision, scale: scale)
        return rescaled(to: scale, rounding: .halfUp)
    }

    /// What decoding does: checks, and refuses to lose a digit.
    ///
    /// - Throws: `.overflow`.
    package func fitted(precision: Int, scale: Int) throws(SQLTypesError) -> SQLDecimal {
        try checkFit(precision: precision, scale: scale)
        guard let exact = rescaledExactly(to: scale) else {
            throw SQLTypesError(
                .overflow,
                "Cannot fit decimal '\(plainText)' into DECIMAL(\(precision), \(scale)) without rounding. "
                    + "(Requires \(self.precision),\(self.scale))")
        }
        return exact
    }
}
