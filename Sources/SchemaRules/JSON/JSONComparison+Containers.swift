import JSONFormat

extension JSONComparison {
    // MARK: Objects

    mutating func compareObjects(
        _ old: JSONModel.ObjectRules, _ original: Part, _ new: JSONModel.ObjectRules, _ update: Part
    ) -> [JSONDifference] {
        let olds = Dictionary(old.properties.map { ($0.name, $0.node) }, uniquingKeysWith: { $1 })
        let news = Dictionary(new.properties.map { ($0.name, $0.node) }, uniquingKeysWith: { $1 })
        var found = compareRequired(old, new, news, update)
        let required = Set(new.required)
        for name in JavaOrder.union(old.properties.map(\.name), new.properties.map(\.name)) {
            let path = "properties/" + name.text
            let before = olds[name].map { Part(isUpdate: original.isUpdate, node: $0) }
            let after = news[name].map { Part(isUpdate: update.isUpdate, node: $0) }
            switch (before, after) {
            case (let before?, let after?): found += compare(before, after).map { $0.under(path) }
            case (let before?, nil): found += removed(before, name, from: new, update).map { $0.under(path) }
            case (nil, let after?):
                found += added(after, name, to: old, original, isRequired: required.contains(name)).map {
                    $0.under(path)
                }
            case (nil, nil): break
            }
        }
        found += compareDependencies(old, original, new, update)
        found += compareRest(
            (old.permitsAdditional, old.additional), original, (new.permitsAdditional, new.additional), update,
            "additionalProperties",
            .init(
                added: .additionalPropertiesAdded, removed: .additionalPropertiesRemoved,
                increased: .additionalPropertiesExtended, decreased: .additionalPropertiesNarrowed))
        found += compareUnevaluated(
            old.unevaluated, original, new.unevaluated, update, "unevaluatedProperties",
            .init(
                added: .unevaluatedPropertiesAdded, removed: .unevaluatedPropertiesRemoved,
                increased: .unevaluatedPropertiesExtended, decreased: .unevaluatedPropertiesNarrowed))
        found += Self.compare(
            old.maxProperties, new.maxProperties, "maxProperties",
            .init(
                added: .maxPropertiesAdded, removed: .maxPropertiesRemoved, increased: .maxPropertiesIncreased,
                decreased: .maxPropertiesDecreased))
        found += Self.compare(
            old.minProperties, new.minProperties, "minProperties",
            .init(
                added: .minPropertiesAdded, removed: .minPropertiesRemoved, increased: .minPropertiesIncreased,
                decreased: .minPropertiesDecreased))
        return found
    }

    /// Of the properties that both have.
    private func compareRequired(
        _ old: JSONModel.ObjectRules, _ new: JSONModel.ObjectRules, _ news: [JSONName: Int], _ update: Part
    ) -> [JSONDifference] {
        var found: [JSONDifference] = []
        let before = Set(old.required)
        let after = Set(new.required)
        for (name, _) in old.properties {
            guard let node = news[name], before.contains(name) != after.contains(name) else { continue }
            let kind: JSONDifferenceKind =
                before.contains(name)
                ? .requiredAttributeRemoved
                : hasDefault(Part(isUpdate: update.isUpdate, node: node))
                    ? .requiredAttributeWithDefaultAdded : .requiredAttributeAdded
            found.append(JSONDifference(kind: kind, path: "required/" + name.text))
        }
        return found
    }

    private func hasDefault(_ part: Part) -> Bool { node(part).defaultValue != nil }

    /// Any object whatever may have any member that is not named.
    private func isOpen(_ rules: JSONModel.ObjectRules, _ part: Part) -> Bool {
        rules.patterns.isEmpty && rules.additional == nil && rules.permitsAdditional
            && (rules.unevaluated.map { isEmpty($0, part) } ?? true)
    }

    private func isEmpty(_ index: Int, _ part: Part) -> Bool {
        if case .empty = node(Part(isUpdate: part.isUpdate, node: index)).shape { true } else { false }
    }

    private func isNever(_ index: Int, _ part: Part) -> Bool {
        if case .never = node(Part(isUpdate: part.isUpdate, node: index)).shape { true } else { false }
    }

    /// The schema of a member that is not named; nil when there must be none.
    private mutating func schema(of name: JSONName, in rules: JSONModel.ObjectRules, _ part: Part) -> Part? {
        for (pattern, index) in rules.patterns where isFound(pattern, name.text) {
            return Part(isUpdate: part.isUpdate, node: index)
        }
        return rest(rules.permitsAdditional, rules.additional, rules.unevaluated, part)
    }

    private func rest(_ permits: Bool, _ additional: Int?, _ unevaluated: Int?, _ part: Part) -> Part? {
        if let additional { return Part(isUpdate: part.isUpdate, node: additional) }
        guard permits, let unevaluated, !isNever(unevaluated, part), !isEmpty(unevaluated, part) else { return nil }
        return Part(isUpdate: part.isUpdate, node: unevaluated)
    }

    private mutating func removed(
        _ property: Part, _ name: JSONName, from rules: JSONModel.ObjectRules, _ update: Part
    ) -> [JSONDifference] {
        if isOpen(rules, update) { return [.init(kind: .propertyRemovedFromOpen, path: "")] }
        if let rest = schema(of: name, in: rules, update) {
            let found = compare(property, rest)
            let kind: JSONDifferenceKind = isCompatible(found) ? .propertyRemovedIsCovered : .propertyRemovedNotCovered
            return found + [.init(kind: kind, path: "")]
        }
        if case .never = node(property).shape { return [.init(kind: .falsePropertyRemovedFromClosed, path: "")] }
        return [.init(kind: .propertyRemovedFromClosed, path: "")]
    }

    private mutating func added(
        _ property: Part, _ name: JSONName, to rules: JSONModel.ObjectRules, _ original: Part, isRequired: Bool
    ) -> [JSONDifference] {
        let hasDefault = hasDefault(property)
        if isOpen(rules, original) {
            if case .empty = node(property).shape { return [.init(kind: .emptyPropertyAddedToOpen, path: "")] }
            let kind: JSONDifferenceKind =
                !isRequired
                ? .optionalPropertyAddedToOpen
                : hasDefault ? .requiredPropertyWithDefaultAddedToOpen : .requiredPropertyAddedToOpen
            return [.init(kind: kind, path: "")]
        }
        var found: [JSONDifference] = []
        if let rest = schema(of: name, in: rules, original) {
            found = compare(rest, property)
            let kind: JSONDifferenceKind = isCompatible(found) ? .propertyAddedIsCovered : .propertyAddedNotCovered
            found.append(.init(kind: kind, path: ""))
        }
        let kind: JSONDifferenceKind =
            !isRequired
            ? .optionalPropertyAddedToUnopen
            : hasDefault ? .requiredPropertyWithDefaultAddedToUnopen : .requiredPropertyAddedToUnopen
        return found + [.init(kind: kind, path: "")]
    }

    private mutating func compareDependencies(
        _ old: JSONModel.ObjectRules, _ original: Part, _ new: JSONModel.ObjectRules, _ update: Part
    ) -> [JSONDifference] {
        var found: [JSONDifference] = []
        let oldNames = Dictionary(old.neededNames.map { ($0.name, $0.needed) }, uniquingKeysWith: { $1 })
        let newNames = Dictionary(new.neededNames.map { ($0.name, $0.needed) }, uniquingKeysWith: { $1 })
        for name in JavaOrder.union(old.neededNames.map(\.name), new.neededNames.map(\.name)) {
            let kind: JSONDifferenceKind
            switch (oldNames[name], newNames[name]) {
            case (nil, _): kind = .dependencyArrayAdded
            case (_, nil): kind = .dependencyArrayRemoved
            case (let before?, let after?):
                if before == after { continue }
                kind =
                    after.isSuperset(of: before)
                    ? .dependencyArrayExtended
                    : before.isSuperset(of: after) ? .dependencyArrayNarrowed : .dependencyArrayChanged
            }
            found.append(.init(kind: kind, path: "dependencies/" + name.text))
        }
        let oldSchemas = Dictionary(old.neededSchemas.map { ($0.name, $0.node) }, uniquingKeysWith: { $1 })
        let newSchemas = Dictionary(new.neededSchemas.map { ($0.name, $0.node) }, uniquingKeysWith: { $1 })
        for name in JavaOrder.union(old.neededSchemas.map(\.name), new.neededSchemas.map(\.name)) {
            let path = "dependencies/" + name.text
            switch (oldSchemas[name], newSchemas[name]) {
            case (nil, _): found.append(.init(kind: .dependencySchemaAdded, path: path))
            case (_, nil): found.append(.init(kind: .dependencySchemaRemoved, path: path))
            case (let before?, let after?):
                found += compare(
                    Part(isUpdate: original.isUpdate, node: before), Part(isUpdate: update.isUpdate, node: after)
                ).map { $0.under(path) }
            }
        }
        return found
    }

    // MARK: What objects and arrays share

    /// `additionalProperties` and `additionalItems`. Of `kinds`, `increased` is a schema that went, `decreased` one
    /// that came.
    private mutating func compareRest(
        _ old: (permits: Bool, node: Int?), _ original: Part, _ new: (permits: Bool, node: Int?), _ update: Part,
        _ keyword: String, _ kinds: LimitKinds
    ) -> [JSONDifference] {
        if old.permits != new.permits { return [.init(kind: new.permits ? kinds.added : kinds.removed, path: keyword)] }
        switch (old.node, new.node) {
        case (nil, nil): return []
        case (nil, _): return [.init(kind: kinds.decreased, path: keyword)]
        case (_, nil): return [.init(kind: kinds.increased, path: keyword)]
        case (let before?, let after?):
            return compare(
                Part(isUpdate: original.isUpdate, node: before), Part(isUpdate: update.isUpdate, node: after)
            ).map { $0.under(keyword) }
        }
    }

    /// `unevaluatedProperties` and `unevaluatedItems`; `kinds` as above.
    private mutating func compareUnevaluated(
        _ old: Int?, _ original: Part, _ new: Int?, _ update: Part, _ keyword: String, _ kinds: LimitKinds
    ) -> [JSONDifference] {
        func kind() -> JSONDifferenceKind? {
            let wasNever = old.map { isNever($0, original) } ?? false
            let becomesNever = new.map { isNever($0, update) } ?? false
            let wasEmpty = old.map { isEmpty($0, original) } ?? true
            let becomesEmpty = new.map { isEmpty($0, update) } ?? true
            if old == nil { return becomesNever ? kinds.removed : kinds.decreased }
            if new == nil { return wasNever ? kinds.added : kinds.increased }
            if wasNever != becomesNever { return wasNever ? kinds.added : kinds.removed }
            if wasEmpty != becomesEmpty { return wasEmpty ? kinds.decreased : kinds.increased }
            return nil
        }
        guard old != nil || new != nil else { return [] }
        if let kind = kind() { return [.init(kind: kind, path: keyword)] }
        return compare(
            old.map { Part(isUpdate: original.isUpdate, node: $0) },
            new.map { Part(isUpdate: update.isUpdate, node: $0) }
        ).map { $0.under(keyword) }
    }

    // MARK: Arrays

    mutating func compareArrays(
        _ old: JSONModel.ArrayRules, _ original: Part, _ new: JSONModel.ArrayRules, _ update: Part
    ) -> [JSONDifference] {
        var found = compare(
            old.items.map { Part(isUpdate: original.isUpdate, node: $0) },
            new.items.map { Part(isUpdate: update.isUpdate, node: $0) }
        ).map { $0.under("items") }
        for index in 0..<max(old.prefix.count, new.prefix.count) {
            let before = index < old.prefix.count ? Part(isUpdate: original.isUpdate, node: old.prefix[index]) : nil
            let after = index < new.prefix.count ? Part(isUpdate: update.isUpdate, node: new.prefix[index]) : nil
            let differences: [JSONDifference]
            switch (before, after) {
            case (let before?, let after?): differences = compare(before, after)
            case (let before?, nil): differences = removed(before, from: new, update)
            case (nil, let after?): differences = added(after, to: old, original)
            case (nil, nil): differences = []
            }
            found += differences.map { $0.under("items/\(index)") }
        }
        found += compareRest(
            (old.permitsAdditional, old.additional), original, (new.permitsAdditional, new.additional), update,
            "additionalItems",
            .init(
                added: .additionalItemsAdded, removed: .additionalItemsRemoved, increased: .additionalItemsExtended,
                decreased: .additionalItemsNarrowed))
        found += compareUnevaluated(
            old.unevaluated, original, new.unevaluated, update, "unevaluatedItems",
            .init(
                added: .unevaluatedItemsAdded, removed: .unevaluatedItemsRemoved, increased: .unevaluatedItemsExtended,
                decreased: .unevaluatedItemsNarrowed))
        found += compareCounts(old, new)
        return found
    }

    private func compareCounts(_ old: JSONModel.ArrayRules, _ new: JSONModel.ArrayRules) -> [JSONDifference] {
        var found = Self.compare(
            old.maxItems, new.maxItems, "maxItems",
            .init(
                added: .maxItemsAdded, removed: .maxItemsRemoved, increased: .maxItemsIncreased,
                decreased: .maxItemsDecreased))
        found += Self.compare(
            old.minItems, new.minItems, "minItems",
            .init(
                added: .minItemsAdded, removed: .minItemsRemoved, increased: .minItemsIncreased,
                decreased: .minItemsDecreased))
        if old.isUnique != new.isUnique {
            found.append(.init(kind: old.isUnique ? .uniqueItemsRemoved : .uniqueItemsAdded, path: "uniqueItems"))
        }
        found += Self.compare(
            old.maxContains, new.maxContains, "maxContains",
            .init(
                added: .maxContainsAdded, removed: .maxContainsRemoved, increased: .maxContainsIncreased,
                decreased: .maxContainsDecreased))
        found += Self.compare(
            old.minContains, new.minContains, "minContains",
            .init(
                added: .minContainsAdded, removed: .minContainsRemoved, increased: .minContainsIncreased,
                decreased: .minContainsDecreased))
        return found
    }

    private func isOpen(_ rules: JSONModel.ArrayRules, _ part: Part) -> Bool {
        rules.permitsAdditional && rules.additional == nil && (rules.unevaluated.map { isEmpty($0, part) } ?? true)
    }

    private mutating func removed(
        _ element: Part, from rules: JSONModel.ArrayRules, _ update: Part
    ) -> [JSONDifference] {
        if isOpen(rules, update) { return [.init(kind: .itemRemovedFromOpen, path: "")] }
        if let rest = rest(rules.permitsAdditional, rules.additional, rules.unevaluated, update) {
            let found = compare(element, rest)
            return found + [.init(kind: isCompatible(found) ? .itemRemovedIsCovered : .itemRemovedNotCovered, path: "")]
        }
        if case .never = node(element).shape { return [.init(kind: .falseItemRemovedFromClosed, path: "")] }
        return [.init(kind: .itemRemovedFromClosed, path: "")]
    }

    private mutating func added(
        _ element: Part, to rules: JSONModel.ArrayRules, _ original: Part
    ) -> [JSONDifference] {
        if isOpen(rules, original) {
            if case .empty = node(element).shape { return [.init(kind: .emptyItemAddedToOpen, path: "")] }
            return [.init(kind: .itemAddedToOpen, path: "")]
        }
        if let rest = rest(rules.permitsAdditional, rules.additional, rules.unevaluated, original) {
            let found = compare(rest, element)
            return found + [.init(kind: isCompatible(found) ? .itemAddedIsCovered : .itemAddedNotCovered, path: "")]
        }
        return [.init(kind: .itemAddedToClosed, path: "")]
    }
}

/// The order in which Java's `HashSet` has strings, so that lists of differences come as the original has them.
enum JavaOrder {
    /// The names of two lists, each once.
    static func union(_ first: [JSONName], _ second: [JSONName]) -> [JSONName] {
        var seen: Set<JSONName> = []
        let names = (first + second).filter { seen.insert($0).inserted }
        var capacity = 16
        while Double(Set(first).count) / 0.75 + 1 > Double(capacity) || Double(names.count) > 0.75 * Double(capacity) {
            capacity *= 2
        }
        let mask = UInt32(capacity - 1)
        func bucket(_ name: JSONName) -> UInt32 {
            let hash = name.text.utf16.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }
            return (hash ^ hash >> 16) & mask
        }
        return names.enumerated().map { (bucket($0.element), $0.offset, $0.element) }
            .sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }
}
