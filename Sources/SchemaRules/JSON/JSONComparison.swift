import JSONFormat
import JSONSchema

/// Compares two JSON Schemas: in what the new one, `update`, differs from the old one, `original`.
///
/// Pairs of schemas that were compared once are not compared again, and a pair that comes up inside of its own
/// comparison counts as equal: schemas may refer to themselves.
///
/// - SeeAlso: upstream `SchemaDiff` and its companions, whose order of differences this keeps.
struct JSONComparison {
    /// A schema of one of the two models. `not` turns the direction round, so either may be the original.
    struct Part: Hashable {
        var isUpdate: Bool
        var node: Int
    }

    private struct Pair: Hashable {
        var original: Part
        var update: Part
    }

    /// More pairs than this are not compared.
    static let pairCountMax = 1_000_000
    /// Nor are pairs, new or known, looked at more often than this.
    static let lookCountMax = 5_000_000
    static let depthMax = 300
    /// Of one pair; of more, as many are kept, those that matter first.
    static let differenceCountMax = 500

    private let originalModel: JSONModel
    private let updateModel: JSONModel
    private let policy: CompatibilityPolicy
    private var known: [Pair: [JSONDifference]] = [:]
    private var inProgress: Set<Pair> = []
    /// The pairs in `known`, in the order they came, and those in progress that something took for equal.
    private var settled: [Pair] = []
    private var assumed: Set<Pair> = []
    private var patterns: [String: NamePattern?] = [:]
    private var pairCount = 0
    private var lookCount = 0
    /// Of combinations: their branches, each once.
    private var uniqueBranches: [Part: [Part]] = [:]

    init(original: JSONModel, update: JSONModel, policy: CompatibilityPolicy) {
        originalModel = original
        updateModel = update
        self.policy = policy
    }

    /// All differences, compatible ones as well, with paths that begin with `#/`.
    mutating func run() -> [JSONDifference] {
        compare(Part(isUpdate: false, node: 0), Part(isUpdate: true, node: 0)).map {
            JSONDifference(kind: $0.kind, path: "#/" + $0.path)
        }
    }

    func node(_ part: Part) -> JSONModel.Node {
        part.isUpdate ? updateModel.nodes[part.node] : originalModel.nodes[part.node]
    }

    func isCompatible(_ differences: [JSONDifference]) -> Bool {
        differences.allSatisfy { $0.kind.isCompatible(policy) }
    }

    /// The schema that a chain of references ends at; the last of a chain that is a circle.
    private func resolved(_ part: Part) -> Part {
        var part = part
        var seen: Set<Int> = []
        while case .reference(let target) = node(part).shape, seen.insert(part.node).inserted { part.node = target }
        return part
    }

    /// Compares what may be missing on either side.
    mutating func compare(_ original: Part?, _ update: Part?) -> [JSONDifference] {
        guard let original else { return update == nil ? [] : [JSONDifference(kind: .schemaAdded, path: "")] }
        guard let update else { return [JSONDifference(kind: .schemaRemoved, path: "")] }
        lookCount += 1
        guard lookCount <= Self.lookCountMax else { return [JSONDifference(kind: .tooComplex, path: "")] }
        let pair = Pair(original: resolved(original), update: resolved(update))
        if let found = known[pair] { return found }
        guard inProgress.insert(pair).inserted else {
            assumed.insert(pair)
            return []
        }
        defer { inProgress.remove(pair) }
        let mark = settled.count
        pairCount += 1
        guard pairCount <= Self.pairCountMax, inProgress.count <= Self.depthMax else {
            return [JSONDifference(kind: .tooComplex, path: "")]
        }
        var found = compareShapes(pair.original, pair.update)
        if found.count > Self.differenceCountMax {
            let bad = found.filter { !$0.kind.isCompatible(policy) }
            found = Array((bad + found.filter { $0.kind.isCompatible(policy) }).prefix(Self.differenceCountMax))
        }
        // What was concluded from their being equal does not hold when they are not.
        if assumed.remove(pair) != nil, !isCompatible(found) {
            for inner in settled[mark...] { known[inner] = nil }
            settled.removeSubrange(mark...)
        }
        known[pair] = found
        settled.append(pair)
        return found
    }

    private mutating func compareShapes(_ original: Part, _ update: Part) -> [JSONDifference] {
        let old = node(original)
        let new = node(update)
        if let found = compareWithCombination(original, old, update, new) { return found }
        guard old.shape.family == new.shape.family else {
            switch (old.shape, new.shape) {
            case (.never, _), (_, .empty): return []
            default:
                // Bytes of Connect are written in more than one way.
                if old.connectType == "bytes", new.connectType == "bytes" { return [] }
                return [JSONDifference(kind: .typeChanged, path: "")]
            }
        }
        var found: [JSONDifference] = []
        func note(_ kind: JSONDifferenceKind, _ path: String = "") {
            found.append(JSONDifference(kind: kind, path: path))
        }
        if old.id != new.id { note(.idChanged) }
        if old.title != new.title { note(.titleChanged) }
        if old.description != new.description { note(.descriptionChanged) }
        switch (old.defaultValue, new.defaultValue) {
        case (nil, nil): break
        case (let a?, let b?): if !a.isSame(as: b) { note(.defaultChanged) }
        default: note(.defaultChanged)
        }
        switch (old.shape, new.shape) {
        case (.string(let a), .string(let b)): found += Self.compare(a, b)
        case (.number(let a), .number(let b)): found += Self.compare(a, b)
        case (.enumeration(let a), .enumeration(let b)): found += Self.compare(a, b)
        case (.constant(let a), .constant(let b)): if !a.isSame(as: b) { note(.enumChanged, "const") }
        case (.combined(let a, let c, _), .combined(let b, let d, _)):
            found += compareCombined((a, original, branches(c, of: original)), (b, update, branches(d, of: update)))
        case (.not(let a), .not(let b)):
            let reversed = compare(
                Part(isUpdate: update.isUpdate, node: b), Part(isUpdate: original.isUpdate, node: a))
            note(isCompatible(reversed) ? .notTypeNarrowed : .notTypeExtended, "not")
        case (.object(let a), .object(let b)): found += compareObjects(a, original, b, update)
        case (.array(let a), .array(let b)): found += compareArrays(a, original, b, update)
        default: break
        }
        return found
    }

    // MARK: Combinations

    private func branches(_ nodes: [Int], of part: Part) -> [Part] {
        var branches: [Part] = []
        for node in nodes { branches.append(Part(isUpdate: part.isUpdate, node: node)) }
        return branches
    }

    /// One of the two is a combination and the other is not: does one branch do? - Returns: nil when none does.
    private mutating func compareWithCombination(
        _ original: Part, _ old: JSONModel.Node, _ update: Part, _ new: JSONModel.Node
    ) -> [JSONDifference]? {
        switch (old.shape, new.shape) {
        case (.combined, .combined): return nil
        case (_, .combined(let criterion, let nodes, _)):
            let branches = branches(nodes, of: update)
            if branches.count == 1 {
                let found = compare(original, branches[0])
                return isCompatible(found) ? found : nil
            }
            guard criterion != .allOf else {
                return nil
            }
            for branch in branches {
                let found = compare(original, branch)
                if isCompatible(found) { return found + [JSONDifference(kind: .sumTypeExtended, path: "")] }
            }
            return nil
        case (.combined(let criterion, let nodes, _), _):
            let branches = branches(nodes, of: original)
            if branches.count == 1 {
                let found = compare(branches[0], update)
                return isCompatible(found) ? found : nil
            }
            guard criterion == .allOf else { return nil }
            for branch in branches {
                let found = compare(branch, update)
                if isCompatible(found) { return found + [JSONDifference(kind: .productTypeNarrowed, path: "")] }
            }
            return nil
        default: return nil
        }
    }

    private typealias Combination = (criterion: JSONModel.Criterion, part: Part, branches: [Part])

    private mutating func compareCombined(_ old: Combination, _ new: Combination) -> [JSONDifference] {
        var found: [JSONDifference] = []
        func note(_ kind: JSONDifferenceKind) { found.append(JSONDifference(kind: kind, path: "")) }
        if old.criterion != new.criterion {
            let isExtended =
                switch new.criterion {
                case .anyOf: true
                case .oneOf: old.branches.count == 1
                case .allOf: old.branches.count == 1 && new.branches.count == 1
                }
            note(isExtended ? .combinedTypeExtended : .combinedTypeChanged)
            if !isExtended { return found }
        }
        let olds = withoutDuplicates(old)
        let news = withoutDuplicates(new)
        if olds.count < news.count { note(new.criterion == .allOf ? .productTypeExtended : .sumTypeExtended) }
        if olds.count > news.count { note(old.criterion == .allOf ? .productTypeNarrowed : .sumTypeNarrowed) }
        // Which branch of the one may become which of the other; then as many pairs of these as there can be.
        var edges: [[(new: Int, differences: [JSONDifference])]] = []
        for (index, before) in olds.enumerated() {
            var row: [(Int, [JSONDifference])] = []
            guard lookCount <= Self.lookCountMax else { return [JSONDifference(kind: .tooComplex, path: "")] }
            for (number, after) in news.enumerated() {
                let differences = compare(before, after)
                guard isCompatible(differences) else { continue }
                row.append((number, differences.map { $0.under("\(old.criterion.rawValue)/\(index)") }))
            }
            // Equal branches belong together.
            edges.append(row.filter(\.1.isEmpty) + row.filter { !$0.1.isEmpty })
        }
        let matching = Self.matching(edges.map { $0.map(\.new) }, count: news.count)
        for (index, number) in matching.enumerated() {
            guard let edge = edges[index].first(where: { $0.new == number }) else { continue }
            found += edge.differences
        }
        if matching.compactMap({ $0 }).count < min(olds.count, news.count) { note(.subschemasChanged) }
        return found
    }

    private mutating func withoutDuplicates(_ combination: Combination) -> [Part] {
        if let known = uniqueBranches[combination.part] { return known }
        var seen: Set<[UInt8]> = []
        let unique = combination.branches.filter { part in
            guard let source = node(part).source else { return true }
            let value = source.isModern ? source.value.withoutAnnotations : source.value
            return seen.insert(Array("\(source.resource):".utf8) + value.javaBytes(isSorted: true)).inserted
        }
        uniqueBranches[combination.part] = unique
        return unique
    }

    /// The most pairs that can be made of a bipartite graph, by augmenting paths.
    ///
    /// - Parameter edges: of each left node the right ones, the best first.
    /// - Returns: of each left node the right one.
    private static func matching(_ edges: [[Int]], count: Int) -> [Int?] {
        var left = [Int?](repeating: nil, count: edges.count)
        var right = [Int?](repeating: nil, count: count)
        for start in edges.indices {
            // Breadth first, so that no recursion grows with the number of branches.
            var cameFrom = [Int?](repeating: nil, count: count)
            var isSeen = [Bool](repeating: false, count: count)
            var queue = [start]
            var at = 0
            var end: Int?
            search: while at < queue.count {
                let node = queue[at]
                at += 1
                for target in edges[node] where !isSeen[target] {
                    isSeen[target] = true
                    cameFrom[target] = node
                    guard let next = right[target] else {
                        end = target
                        break search
                    }
                    queue.append(next)
                }
            }
            while let target = end, let node = cameFrom[target] {
                end = left[node]
                left[node] = target
                right[target] = node
            }
        }
        return left
    }

    // MARK: Patterns

    /// Whether a property's name is one of a pattern. What takes too long to tell is not: the property is then judged
    /// by the rules for additional ones, which is the stricter way.
    mutating func isFound(_ pattern: String, _ name: String) -> Bool {
        lookCount += 20  // about what it takes
        guard lookCount <= Self.lookCountMax else { return false }
        let known = patterns[pattern] ?? NamePattern(pattern)  // the schema was read before, so this one compiles
        patterns[pattern] = .some(known)
        if let isFound = known?.isFound(in: name) { return isFound }
        lookCount += 500
        return false
    }
}

extension JSONValue {
    /// A modern schema without the keywords that its translation in the original leaves out.
    fileprivate var withoutAnnotations: JSONValue {
        switch self {
        case .array(let elements): return .array(elements.map(\.withoutAnnotations))
        case .object(let members):
            var kept: [(String, JSONValue)] = []
            for (name, value) in members {
                switch name {
                case "format": if value.text != nil { continue }
                case "readOnly", "writeOnly", "deprecated": if value.flag != nil { continue }
                default: break
                }
                switch name {
                case "enum", "const", "default", "examples": kept.append((name, value))
                case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
                    // What names stand for, not keywords.
                    let named = value.members?.map { ($0.0, $0.1.withoutAnnotations) }
                    kept.append((name, named.map { .object($0) } ?? value))
                default: kept.append((name, value.withoutAnnotations))
                }
            }
            return .object(kept)
        default: return self
        }
    }
}

extension JSONModel.Shape {
    /// What must be the same for two shapes to be compared at all.
    enum Family: Hashable {
        case empty, never, string, number, boolean, null, object, array, enumeration, constant, combined, not,
            conditional
        case reference
    }

    var family: Family {
        switch self {
        case .empty: .empty
        case .never: .never
        case .string: .string
        case .number: .number
        case .boolean: .boolean
        case .null: .null
        case .object: .object
        case .array: .array
        case .enumeration: .enumeration
        case .constant: .constant
        case .combined: .combined
        case .not: .not
        case .conditional: .conditional
        case .reference: .reference
        }
    }
}
