import Glibc
import SQLTypes

/// Functions of numbers.
enum NumericFunctions {
    static let all: [ScalarFunction] =
        [
            real("ACOS", "The angle, in radians, whose cosine is the value.", acos),
            real("ASIN", "The angle, in radians, whose sine is the value.", asin),
            real("ATAN", "The angle, in radians, whose tangent is the value.", atan),
            real("CBRT", "The cube root.", cubeRoot),
            real("COS", "The cosine of an angle in radians.", cos),
            real("COSH", "The hyperbolic cosine.", cosh),
            real("COT", "The cotangent of an angle in radians.") { 1 / tan($0) },
            real("DEGREES", "An angle in radians as degrees.") { $0 * (180 / Double.pi) },
            real("EXP", "Euler's number to the power of the value.", exp),
            real("LN", "The natural logarithm.", log),
            real("RADIANS", "An angle in degrees as radians.") { radians($0) },
            real("SIN", "The sine of an angle in radians.", sin),
            real("SINH", "The hyperbolic sine.", sinh),
            real("SQRT", "The square root; NaN below zero.") { $0.squareRoot() },
            real("TAN", "The tangent of an angle in radians.", tan),
            real("TANH", "The hyperbolic tangent.", tanh),
            real2("ATAN2", "The angle, in radians, of the point (x, y).", "y", "x", atan2),
            real2("POWER", "The base to the power of the exponent.", "base", "exponent", power),
            ScalarFunction(
                "LOG", .mathematical, "The natural logarithm, or the one to a given base.",
                realOverloads("value", log)
                    + real2Overloads("base", "value") { base, value in
                        base <= 0 || base == 1 ? .nan : log(value) / log(base)
                    }),
            ScalarFunction(
                "PI", .mathematical, "The circumference of a circle of diameter 1.",
                [.plain([:], .double) { _, _ throws(EvaluationError) in .double(.pi) }]),
            ScalarFunction(
                "RANDOM", .mathematical, "A random number from 0 up to, but not including, 1.",
                [
                    .plain([:], .double) { _, context throws(EvaluationError) in
                        .double(Double(context.random() >> 11) * 0x1p-53)
                    }
                ]
            ).volatile,
            ScalarFunction(
                "SIGN", .mathematical, "1, 0 or -1 for a positive number, zero, a negative one.",
                numbers("value", .type(.int)) { value in
                    switch value {
                    case .decimal(let value): .int(Int32(value.signum))
                    case .double(let value): .int(value > 0 ? 1 : (value < 0 ? -1 : 0))
                    default: .int(Int32(value.intArgument.signum()))
                    }
                }),
            sameType("ABS", "The value without its sign.") { value in
                switch value {
                case .int(let value): .int(value < 0 ? 0 &- value : value)
                case .bigint(let value): .bigint(value < 0 ? 0 &- value : value)
                case .double(let value): .double(value.magnitude)
                case .decimal(let value): .decimal(value.magnitude)
                default: .null
                }
            },
            sameType("CEIL", "The smallest whole number that is not less than the value.") {
                whole($0, .up, .ceiling)
            },
            sameType("FLOOR", "The largest whole number that is not greater than the value.") {
                whole($0, .down, .floor)
            },
            geoDistance,
        ]

    /// Java's `pow`: 1 to the power of anything that is not a number is not a number either, unlike in C.
    private static func power(_ base: Double, _ exponent: Double) -> Double {
        if exponent.isNaN || base.magnitude == 1 && exponent.isInfinite { return .nan }
        return pow(base, exponent)
    }

    private static func whole(
        _ value: SQLValue, _ rule: FloatingPointRoundingRule, _ rounding: SQLDecimal.Rounding
    ) -> SQLValue {
        switch value {
        case .double(let value): .double(value.rounded(rule))
        case .decimal(let value):
            .decimal(value.rescaled(to: 0, rounding: rounding).rescaled(to: value.scale, rounding: .down))
        default: value
        }
    }

    // MARK: Shapes

    private static func real(
        _ name: String, _ description: String, _ function: @escaping @Sendable (Double) -> Double
    ) -> ScalarFunction {
        ScalarFunction(name, .mathematical, description, realOverloads("value", function))
    }

    private static func realOverloads(
        _ name: String, _ function: @escaping @Sendable (Double) -> Double
    ) -> [FunctionOverload] {
        [.int, .bigint, .double].map { type in
            FunctionOverload.plain([name: type], .double) { values, _ throws(EvaluationError) in
                .double(function(values[0].doubleArgument))
            }
        }
    }

    private static func real2(
        _ name: String, _ description: String, _ first: String, _ second: String,
        _ function: @escaping @Sendable (Double, Double) -> Double
    ) -> ScalarFunction {
        ScalarFunction(name, .mathematical, description, real2Overloads(first, second, function))
    }

    private static func real2Overloads(
        _ first: String, _ second: String, _ function: @escaping @Sendable (Double, Double) -> Double
    ) -> [FunctionOverload] {
        [.int, .bigint, .double].map { type in
            FunctionOverload.plain([first: type, second: type], .double) { values, _ throws(EvaluationError) in
                .double(function(values[0].doubleArgument, values[1].doubleArgument))
            }
        }
    }

    private static func numbers(
        _ name: String, _ result: FunctionOverload.Result, _ function: @escaping @Sendable (SQLValue) -> SQLValue
    ) -> [FunctionOverload] {
        [.int, .bigint, .double, .decimal].map { type in
            FunctionOverload(
                [name: type], result, seesNulls: false,
                .values { values, _ throws(EvaluationError) in function(values[0]) })
        }
    }

    private static func sameType(
        _ name: String, _ description: String, _ function: @escaping @Sendable (SQLValue) -> SQLValue
    ) -> ScalarFunction {
        ScalarFunction(
            name, .mathematical, description,
            numbers("value", .rule { types throws(FunctionError) in types.first.flatMap { $0 } ?? .double }, function))
    }

    // MARK: Distances

    private static let geoDistance = ScalarFunction(
        "GEO_DISTANCE", .mathematical, "The way between two points of the earth along its surface.",
        [
            .nullable(
                ["lat1": .double, "lon1": .double, "lat2": .double, "lon2": .double, "units": .string], .double,
                "In miles (MI, MILE, MILES) or kilometers (KM, KILOMETER, KILOMETERS; also for an empty text or null)."
            ) { values, _ throws(EvaluationError) in
                if values.prefix(4).contains(where: \.isNull) { return .null }
                return .double(try distance(values, radius: radius(values[4].textArgument)))
            },
            .plain(
                ["lat1": .double, "lon1": .double, "lat2": .double, "lon2": .double], .double, "In kilometers."
            ) { values, _ throws(EvaluationError) in .double(try distance(values, radius: 6371)) },
        ])

    private static func radius(_ unit: String) throws(EvaluationError) -> Double {
        switch NumberText.trim(unit).lowercased() {
        case "", "km", "kilometer", "kilometers", "kilometre", "kilometres": return 6371
        case "mi", "mile", "miles": return 3959
        default:
            throw EvaluationError(
                "GeoDistance function units parameter must be one of [\"mi\", \"mile\", \"miles\", \"km\", \"kilometer\", "
                    + "\"kilometers\", \"kilometre\", \"kilometres\"]. Values are case-insensitive.")
        }
    }

    /// The haversine formula.
    private static func distance(_ values: [SQLValue], radius: Double) throws(EvaluationError) -> Double {
        let degrees = values.prefix(4).map(\.doubleArgument)
        guard -90...90 ~= degrees[0], -90...90 ~= degrees[2] else {
            throw EvaluationError(
                "valid latitude values for GeoDistance function are in the range of -90 to 90 decimal degrees")
        }
        guard -180...180 ~= degrees[1], -180...180 ~= degrees[3] else {
            throw EvaluationError(
                "valid longitude values for GeoDistance function are in the range of -180 to +180 decimal degrees")
        }
        let latitude = radians(degrees[2] - degrees[0])
        let longitude = radians(degrees[3] - degrees[1])
        let a =
            sin(latitude / 2) * sin(latitude / 2)
            + sin(longitude / 2) * sin(longitude / 2) * cos(radians(degrees[0])) * cos(radians(degrees[2]))
        return 2 * asin(a.squareRoot()) * radius
    }

    private static func radians(_ degrees: Double) -> Double { degrees * 0.017453292519943295 }

    /// As Java's: the C library's is often a unit off, also for cubes of whole numbers.
    ///
    /// - SeeAlso: fdlibm's `cbrt`.
    private static func cubeRoot(_ value: Double) -> Double {
        guard value.isFinite, value != 0 else { return value }
        let size = value.magnitude
        func highWord(_ number: Double) -> UInt64 { number.bitPattern >> 32 }
        var root =
            highWord(size) < 0x0010_0000
            ? Double(bitPattern: (highWord(0x1p54 * size) / 3 + 696_219_795) << 32)
            : Double(bitPattern: (highWord(size) / 3 + 715_094_163) << 32)
        // To 23 bits.
        var ratio = root * root / size
        let sum = 5.42857142857142815906e-01 + ratio * root
        root *=
            3.57142857142857150787e-01 + 1.60714285714285720630e+00
            / (sum + 1.41428571428571436819e+00 + -7.05306122448979611050e-01 / sum)
        // Cut to 20 bits and made larger than the root; then one step of Newton's method.
        root = Double(bitPattern: (highWord(root) + 1) << 32)
        ratio = size / (root * root)
        ratio = (ratio - root) / (root + root + ratio)
        root += root * ratio
        return value < 0 ? -root : root
    }
}
