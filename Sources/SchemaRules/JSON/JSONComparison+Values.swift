import JSONFormat
import JSONSchema

extension JSONComparison {
    /// The four kinds of difference that a limit can have.
    struct LimitKinds {
        var added: JSONDifferenceKind
        var removed: JSONDifferenceKind
        var increased: JSONDifferenceKind
        var decreased: JSONDifferenceKind
    }

    static func compare<Limit: Comparable>(
        _ old: Limit?, _ new: Limit?, _ keyword: String, _ kinds: LimitKinds
    ) -> [JSONDifference] {
        let kind: JSONDifferenceKind
        switch (old, new) {
        case (nil, nil): return []
        case (nil, _): kind = kinds.added
        case (_, nil): kind = kinds.removed
        case (let old?, let new?):
            if old == new { return [] }
            kind = old < new ? kinds.increased : kinds.decreased
        }
        return [JSONDifference(kind: kind, path: keyword)]
    }

    static func compare(_ old: JSONModel.StringRules, _ new: JSONModel.StringRules) -> [JSONDifference] {
        var found = compare(
            old.maxLength, new.maxLength, "maxLength",
            .init(
                added: .maxLengthAdded, removed: .maxLengthRemoved, increased: .maxLengthIncreased,
                decreased: .maxLengthDecreased))
        found += compare(
            old.minLength, new.minLength, "minLength",
            .init(
                added: .minLengthAdded, removed: .minLengthRemoved, increased: .minLengthIncreased,
                decreased: .minLengthDecreased))
        switch (old.pattern, new.pattern) {
        case (nil, nil): break
        case (nil, _): found.append(.init(kind: .patternAdded, path: "pattern"))
        case (_, nil): found.append(.init(kind: .patternRemoved, path: "pattern"))
        case (let old?, let new?):
            if !JSONName.isSame(old, new) { found.append(.init(kind: .patternChanged, path: "pattern")) }
        }
        return found
    }

    static func compare(_ old: JSONModel.NumberRules, _ new: JSONModel.NumberRules) -> [JSONDifference] {
        var found = compare(
            old.maximum, new.maximum, "maximum",
            .init(
                added: .maximumAdded, removed: .maximumRemoved, increased: .maximumIncreased,
                decreased: .maximumDecreased))
        found += compare(
            old.minimum, new.minimum, "minimum",
            .init(
                added: .minimumAdded, removed: .minimumRemoved, increased: .minimumIncreased,
                decreased: .minimumDecreased))
        found += compare(
            old.exclusiveMaximum, new.exclusiveMaximum, "exclusiveMaximum",
            .init(
                added: .exclusiveMaximumAdded, removed: .exclusiveMaximumRemoved,
                increased: .exclusiveMaximumIncreased, decreased: .exclusiveMaximumDecreased))
        found += compare(
            old.exclusiveMinimum, new.exclusiveMinimum, "exclusiveMinimum",
            .init(
                added: .exclusiveMinimumAdded, removed: .exclusiveMinimumRemoved,
                increased: .exclusiveMinimumIncreased, decreased: .exclusiveMinimumDecreased))
        switch (old.multipleOf, new.multipleOf) {
        case (nil, nil): break
        case (nil, _): found.append(.init(kind: .multipleOfAdded, path: "multipleOf"))
        case (_, nil): found.append(.init(kind: .multipleOfRemoved, path: "multipleOf"))
        case (let old?, let new?):
            guard old != new else { break }
            let kind: JSONDifferenceKind =
                new.isMultiple(of: old)
                ? .multipleOfExpanded : old.isMultiple(of: new) ? .multipleOfReduced : .multipleOfChanged
            found.append(.init(kind: kind, path: "multipleOf"))
        }
        if old.isInteger != new.isInteger {
            found.append(.init(kind: old.isInteger ? .typeExtended : .typeNarrowed, path: ""))
        }
        return found
    }

    static func compare(_ old: [JSONValue], _ new: [JSONValue]) -> [JSONDifference] {
        func values(_ list: [JSONValue]) -> Set<[UInt8]> { Set(list.map { $0.identity }) }
        let olds = values(old)
        let news = values(new)
        if olds == news { return [] }
        let kind: JSONDifferenceKind =
            news.isSuperset(of: olds) ? .enumExtended : olds.isSuperset(of: news) ? .enumNarrowed : .enumChanged
        return [JSONDifference(kind: kind, path: "enum")]
    }
}
