import JSONFormat

@testable import SchemaRules

/// Whether two models say the same, whatever order their parts are in.
struct ModelEquality {
    private let first: JSONModel
    private let second: JSONModel
    private var assumed: Set<[Int]> = []

    init(_ first: JSONModel, _ second: JSONModel) {
        self.first = first
        self.second = second
    }

    mutating func isSame(_ a: Int?, _ b: Int?) -> Bool {
        guard let a, let b else { return a == nil && b == nil }
        guard assumed.insert([a, b]).inserted else { return true }  // a circle
        let (x, y) = (first.nodes[a], second.nodes[b])
        guard x.title == y.title, x.description == y.description, x.defaultValue == y.defaultValue else { return false }
        return isSame(plain(x.shape), plain(y.shape))
    }

    /// Rules without any rule are the empty schema.
    private func plain(_ shape: JSONModel.Shape) -> JSONModel.Shape {
        switch shape {
        case .array(let rules):
            let isPlain =
                !rules.isRequired && rules.items == nil && rules.prefix.isEmpty && rules.permitsAdditional
                && rules.additional == nil && rules.contains == nil && rules.unevaluated == nil && !rules.isUnique
                && rules.minItems == nil && rules.maxItems == nil
            return isPlain ? .empty : shape
        case .object(let rules):
            let isPlain =
                !rules.isRequired && rules.properties.isEmpty && rules.patterns.isEmpty && rules.permitsAdditional
                && rules.additional == nil && rules.unevaluated == nil && rules.required.isEmpty && rules.names == nil
                && rules.minProperties == nil && rules.maxProperties == nil && rules.neededNames.isEmpty
                && rules.neededSchemas.isEmpty
            return isPlain ? .empty : shape
        default: return shape
        }
    }

    private mutating func isSame(_ x: JSONModel.Shape, _ y: JSONModel.Shape) -> Bool {
        switch (x, y) {
        case (.empty, .empty), (.never, .never), (.boolean, .boolean), (.null, .null): return true
        case (.string(let a), .string(let b)): return a == b
        case (.number(let a), .number(let b)): return a == b
        case (.enumeration(let a), .enumeration(let b)):
            return a.count == b.count && a.allSatisfy { value in b.contains { $0.isSame(as: value) } }
        case (.constant(let a), .constant(let b)): return a.isSame(as: b)
        case (.not(let a), .not(let b)), (.reference(let a), .reference(let b)): return isSame(a, b)
        case (.conditional(let a, let b, let c), .conditional(let d, let e, let f)):
            return isSame(a, d) && isSame(b, e) && isSame(c, f)
        case (.combined(let a, let left, _), .combined(let b, let right, _)):
            guard a == b, left.count == right.count else { return false }
            var rest = right
            for node in left {
                guard let place = rest.firstIndex(where: { isSame(node, $0) }) else { return false }
                rest.remove(at: place)
            }
            return true
        case (.object(let a), .object(let b)): return isSame(a, b)
        case (.array(let a), .array(let b)): return isSame(a, b)
        default: return false
        }
    }

    private mutating func isSame(_ a: JSONModel.ObjectRules, _ b: JSONModel.ObjectRules) -> Bool {
        guard a.permitsAdditional == b.permitsAdditional, Set(a.required) == Set(b.required),
            a.minProperties == b.minProperties, a.maxProperties == b.maxProperties, a.isRequired == b.isRequired,
            a.properties.map(\.name) == b.properties.map(\.name), a.patterns.map(\.text) == b.patterns.map(\.text),
            a.neededNames.map(\.name) == b.neededNames.map(\.name),
            a.neededNames.map(\.needed) == b.neededNames.map(\.needed),
            a.neededSchemas.map(\.name) == b.neededSchemas.map(\.name)
        else { return false }
        let left = a.properties.map(\.node) + a.patterns.map(\.node) + a.neededSchemas.map(\.node)
        let right = b.properties.map(\.node) + b.patterns.map(\.node) + b.neededSchemas.map(\.node)
        return zip(left, right).allSatisfy { isSame($0, $1) } && isSame(a.additional, b.additional)
            && isSame(a.unevaluated, b.unevaluated) && isSame(a.names, b.names)
    }

    private mutating func isSame(_ a: JSONModel.ArrayRules, _ b: JSONModel.ArrayRules) -> Bool {
        guard a.permitsAdditional == b.permitsAdditional, a.minItems == b.minItems, a.maxItems == b.maxItems,
            a.isUnique == b.isUnique, a.isRequired == b.isRequired, a.prefix.count == b.prefix.count,
            (a.minContains ?? 1) == (b.minContains ?? 1), a.maxContains == b.maxContains
        else { return false }
        return zip(a.prefix, b.prefix).allSatisfy { isSame($0, $1) } && isSame(a.items, b.items)
            && isSame(a.additional, b.additional) && isSame(a.contains, b.contains)
            && isSame(a.unevaluated, b.unevaluated)
    }
}
