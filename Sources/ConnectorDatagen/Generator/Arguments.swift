import JSONFormat

/// The members of an `arg.properties` object, or of an object in it, as what they should be. Wrong ones are errors in the
/// original's words with the place added.
struct Arguments {
    let json: JSONValue
    let path: String

    init(_ json: JSONValue, _ path: String) {
        self.json = json
        self.path = path
    }

    /// " of 'field'" for the end of a message.
    var place: String { path.isEmpty ? "" : " of '\(path)'" }

    /// nil also for null.
    subscript(name: String) -> JSONValue? {
        guard let value = json[name] else { return nil }
        if case .null = value { return nil }
        return value
    }

    func exclude(_ names: [String], with included: String) throws(DatagenError) {
        for name in names where self[name] != nil {
            throw DatagenError("Cannot specify \(name) prop when \(included) prop is given\(place)")
        }
    }

    func refuse(_ names: [String], _ reason: String) throws(DatagenError) {
        for name in names where self[name] != nil {
            throw DatagenError("iteration property cannot contain \(name) field \(reason)\(place)")
        }
    }

    func text(_ name: String) throws(DatagenError) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.text else { throw DatagenError("\(name) property must be a string\(place)") }
        return text
    }

    func number(_ name: String) throws(DatagenError) -> Double? {
        guard let value = self[name] else { return nil }
        guard let number = value.double, number.isFinite else {
            throw DatagenError("'\(name)' field must be a number\(place)")
        }
        return number
    }

    func integer(_ name: String) throws(DatagenError) -> Int64? {
        guard let value = self[name] else { return nil }
        guard let number = value.integer else {
            throw DatagenError("'\(name)' field must be an integral number\(place)")
        }
        return number
    }

    private func range() throws(DatagenError) -> Arguments? {
        guard let range = self["range"] else { return nil }
        guard range.members != nil else { throw DatagenError("range property must be an object\(place)") }
        return Arguments(range, path)
    }

    private var notAscending: DatagenError {
        DatagenError("'min' field must be strictly less than 'max' field in range property\(place)")
    }

    /// `range` of an integer type; nil without one.
    func integers(_ limits: ClosedRange<Int64>) throws(DatagenError) -> (min: Int64, max: Int64)? {
        guard let range = try range() else { return nil }
        let min = try range.integer("min") ?? limits.lowerBound
        let max = try range.integer("max") ?? limits.upperBound
        guard limits.contains(min), limits.contains(max) else {
            throw DatagenError("range property\(place) is beyond what the type can hold")
        }
        guard min < max else { throw notAscending }
        return (min, max)
    }

    /// `range` of a type with fractions; nil without one.
    func fractions(_ limits: ClosedRange<Double>) throws(DatagenError) -> (min: Double, max: Double)? {
        guard let range = try range() else { return nil }
        let min = try range.number("min") ?? limits.lowerBound
        let max = try range.number("max") ?? limits.upperBound
        guard limits.contains(min), limits.contains(max) else {
            throw DatagenError("range property\(place) is beyond what the type can hold")
        }
        guard min < max else { throw notAscending }
        return (min, max)
    }

    /// The most elements, characters or bytes of one value; without it a slip of the finger takes all memory.
    static let lengthMax = 1_000_000

    /// `length`: a number, or an object with the least and the bound that is not reached.
    func lengths() throws(DatagenError) -> RecordGenerator.Lengths {
        guard let length = self["length"] else { return .standard }
        if let exact = length.integer {
            guard exact >= 0 else {
                throw DatagenError("when given as integral number, length property cannot be negative\(place)")
            }
            return try limited(exact, exact + 1)
        }
        guard length.members != nil else {
            throw DatagenError("length property must either be an integral number or an object\(place)")
        }
        let bounds = Arguments(length, path)
        let given = try (min: bounds.integer("min"), max: bounds.integer("max"))
        guard given.min != nil || given.max != nil else {
            throw DatagenError(
                "length property must contain at least one of 'min' or 'max' fields when given as object\(place)")
        }
        let min = given.min ?? 0
        guard min >= 0 else { throw DatagenError("min field of length property cannot be negative\(place)") }
        let end = given.max ?? Int64(Self.lengthMax)
        guard end > min else {
            throw DatagenError("max field must be strictly greater than min field for length property\(place)")
        }
        return try limited(min, end)
    }

    private func limited(_ min: Int64, _ end: Int64) throws(DatagenError) -> RecordGenerator.Lengths {
        guard end <= Int64(Self.lengthMax) + 1 else {
            throw DatagenError("length property\(place): at most \(Self.lengthMax)")
        }
        return .init(min: Int(min), end: Int(end))
    }

    /// `distribution` of a union: how likely each of its branches is.
    func distribution(_ count: Int) throws(DatagenError) -> [Double]? {
        guard let given = self["distribution"] else { return nil }
        guard let members = given.members else {
            throw DatagenError("distribution property must be an object\(place)")
        }
        var weights = Array(repeating: 0.0, count: count)
        for (name, value) in members {
            guard let index = Int(name), weights.indices.contains(index), let weight = value.double, weight >= 0,
                weight.isFinite
            else {
                throw DatagenError(
                    "distribution property\(place): '\(name)' is no position of the union with a likelihood")
            }
            weights[index] = weight
        }
        guard abs(weights.reduce(0, +) - 1) < 1e-6 else {
            throw DatagenError("distribution property\(place): the likelihoods do not add up to 1")
        }
        return weights
    }
}
