import JSONFormat
import Patterns

/// One run of a schema over a value.
///
/// Bounded: so many schemas are looked at, `depthMax` of them inside of each other. A value for which that does not
/// suffice is not valid, and the violation says why.
struct SchemaCheck {
    /// For any value; large ones get more.
    static let stepCountBase = 400_000
    static let stepCountPerPart = 100
    static let depthMax = 400

    /// What of an object or array has been looked at by a schema, for `unevaluatedItems` and `unevaluatedProperties`.
    struct Evaluated {
        /// Numbers of members.
        var members: Set<Int> = []
        /// All elements before this one.
        var elementsBefore = 0
        var elements: Set<Int> = []

        mutating func formUnion(_ other: Evaluated) {
            members.formUnion(other.members)
            elementsBefore = max(elementsBefore, other.elementsBefore)
            elements.formUnion(other.elements)
        }
    }

    private let schema: JSONSchema
    private let violationCountMax: Int
    private(set) var violations: [SchemaViolation] = []
    /// Steps from the root of the value to what is looked at.
    private var path: [Step] = []
    /// The resources that were entered on the way, the outermost first.
    private var scope: [Int] = []
    private var stepCount = 0
    private var stepCountMax = stepCountBase
    private var root = JSONValue.null
    private var depth = 0
    /// Above 0, violations are of no interest: the value may still be valid.
    private var silence = 0
    private var failure: String?

    private enum Step {
        case member(String)
        case element(Int)
    }

    init(schema: JSONSchema, violationCountMax: Int) {
        self.schema = schema
        self.violationCountMax = violationCountMax
    }

    mutating func run(_ value: JSONValue) -> Bool {
        root = value
        var evaluated = Evaluated()
        let isValid = check(value, 0, &evaluated)
        guard let failure else { return isValid }
        violations.insert(SchemaViolation(instancePath: "", keywordPath: "#", message: failure), at: 0)
        if violations.count > max(1, violationCountMax) { violations.removeLast() }
        return false
    }

    private var isCollecting: Bool { silence == 0 && failure == nil && violations.count < violationCountMax }
    /// Whether to stop at the first violation.
    private var isBrief: Bool { silence > 0 || violationCountMax == 0 }

    mutating func report(_ node: SchemaNode, _ keyword: String, _ message: @autoclosure () -> String) {
        guard isCollecting else { return }
        var pointer = ""
        for step in path {
            switch step {
            case .member(let name): pointer += "/" + JSONPointer.escape(name)
            case .element(let index): pointer += "/\(index)"
            }
        }
        violations.append(
            SchemaViolation(
                instancePath: pointer, keywordPath: keyword.isEmpty ? node.location : node.location + "/" + keyword,
                message: message()))
    }

    /// Checks `value` by a schema; `evaluated` gets what the schema has looked at if the value is valid.
    private mutating func check(_ value: JSONValue, _ index: Int, _ evaluated: inout Evaluated) -> Bool {
        guard failure == nil else { return false }
        let node = schema.nodes[index]
        if let constant = node.constant {
            if !constant { report(node, "", "nothing is allowed here") }
            return constant
        }
        stepCount += 1
        guard stepCount <= stepCountMax || isWorthMore() else {
            failure = "checking takes more than \(stepCountMax) steps"
            return false
        }
        guard depth < Self.depthMax else {
            failure = "schemas apply to each other without end, or the value is nested too deep"
            return false
        }
        depth += 1
        let isEntered = scope.last != node.resource
        if isEntered { scope.append(node.resource) }
        defer {
            depth -= 1
            if isEntered { scope.removeLast() }
        }
        var isValid = true
        for keyword in node.keywords where !apply(keyword, of: node, to: value, &evaluated) {
            isValid = false
            if isBrief { return false }
        }
        return isValid
    }

    /// The base is used up: a large value gets the steps that its size is worth.
    private mutating func isWorthMore() -> Bool {
        if stepCountMax == Self.stepCountBase {
            var open = [root]
            var count = 0
            while let value = open.popLast() {
                count += 1
                switch value {
                case .array(let elements): open += elements
                case .object(let members): open += members.map(\.1)
                case .string(let text): count += text.utf8.count >> 7  // expressions look at every character
                default: continue
                }
            }
            stepCountMax += 1 + count * Self.stepCountPerPart
        }
        return stepCount <= stepCountMax
    }

    private mutating func checkSilently(_ value: JSONValue, _ index: Int, _ evaluated: inout Evaluated) -> Bool {
        silence += 1
        defer { silence -= 1 }
        return check(value, index, &evaluated)
    }

    private mutating func checkPart(_ value: JSONValue, _ step: Step, _ index: Int) -> Bool {
        path.append(step)
        defer { path.removeLast() }
        var evaluated = Evaluated()
        return check(value, index, &evaluated)
    }

    /// Checks `value` by another schema that applies to the same place.
    private mutating func checkAlso(_ value: JSONValue, _ index: Int, _ evaluated: inout Evaluated) -> Bool {
        guard schema.usesUnevaluated else { return check(value, index, &evaluated) }
        var own = Evaluated()
        guard check(value, index, &own) else { return false }
        evaluated.formUnion(own)
        return true
    }

    private mutating func apply(
        _ keyword: SchemaKeyword, of node: SchemaNode, to value: JSONValue, _ evaluated: inout Evaluated
    ) -> Bool {
        switch keyword {
        case .allOf(let branches):
            var isValid = true
            for branch in branches where !checkAlso(value, branch, &evaluated) {
                isValid = false
                if isBrief { break }
            }
            return isValid
        case .anyOf(let branches): return applyAnyOf(branches, of: node, to: value, &evaluated)
        case .oneOf(let branches): return applyOneOf(branches, of: node, to: value, &evaluated)
        case .not(let branch):
            var ignored = Evaluated()
            guard checkSilently(value, branch, &ignored) else { return failure == nil }
            report(node, "not", "matches the schema that it must not match")
            return false
        case .conditional(let condition, let then, let otherwise):
            var own = Evaluated()
            let holds = checkSilently(value, condition, &own)
            if holds { evaluated.formUnion(own) }
            guard let branch = holds ? then : otherwise else { return failure == nil }
            return checkAlso(value, branch, &evaluated)
        case .reference(_, let target): return checkAlso(value, target, &evaluated)
        case .dynamicReference(let anchor, let fallback):
            let candidates = schema.dynamicNodes[anchor] ?? [:]
            return checkAlso(value, scope.lazy.compactMap { candidates[$0] }.first ?? fallback, &evaluated)
        case .recursiveReference(let fallback):
            let target = scope.lazy.compactMap { [roots = schema.recursiveRoots] in roots[$0] }.first
            return checkAlso(value, target ?? fallback, &evaluated)
        default: break
        }
        switch value {
        case .object(let members):
            if let isValid = applyToObject(keyword, node, members, value, &evaluated) { return isValid }
        case .array(let elements):
            if let isValid = applyToArray(keyword, node, elements, &evaluated) { return isValid }
        default: break
        }
        return applyToScalar(keyword, node, value)
    }

    private mutating func applyAnyOf(
        _ branches: [Int], of node: SchemaNode, to value: JSONValue, _ evaluated: inout Evaluated
    ) -> Bool {
        var isValid = false
        for branch in branches {
            var own = Evaluated()
            guard checkSilently(value, branch, &own) else { continue }
            isValid = true
            guard schema.usesUnevaluated else { return true }
            evaluated.formUnion(own)
        }
        if !isValid {
            report(node, "anyOf", "matches none of the \(branches.count) schemas, of which it must match one")
        }
        return isValid
    }

    private mutating func applyOneOf(
        _ branches: [Int], of node: SchemaNode, to value: JSONValue, _ evaluated: inout Evaluated
    ) -> Bool {
        var matching: [Int] = []
        var last = Evaluated()
        for (number, branch) in branches.enumerated() {
            var own = Evaluated()
            guard checkSilently(value, branch, &own) else { continue }
            matching.append(number)
            if matching.count > 1 { break }
            last = own
        }
        if matching.count == 1 {
            evaluated.formUnion(last)
            return true
        }
        report(
            node, "oneOf",
            matching.isEmpty
                ? "matches none of the \(branches.count) schemas, of which it must match exactly one"
                : "matches the schemas \(matching[0]) and \(matching[1]), but must match exactly one")
        return false
    }

    // MARK: Objects

    /// - Returns: nil for keywords that are not about objects.
    private mutating func applyToObject(
        _ keyword: SchemaKeyword, _ node: SchemaNode, _ members: [(String, JSONValue)], _ value: JSONValue,
        _ evaluated: inout Evaluated
    ) -> Bool? {
        switch keyword {
        case .properties(let rules): return applyProperties(rules, node, members, &evaluated)
        case .required(let names):
            var isValid = true
            let present = MemberNames(members, lookups: names.count)
            for name in names where !present.contains(name) {
                isValid = false
                report(node, "required", "the member \"\(name)\" is missing")
                if isBrief { break }
            }
            return isValid
        case .minProperties(let count):
            if members.count >= count { return true }
            report(node, "minProperties", "has \(members.count) members, fewer than \(count)")
            return false
        case .maxProperties(let count):
            if members.count <= count { return true }
            report(node, "maxProperties", "has \(members.count) members, more than \(count)")
            return false
        case .propertyNames(let target):
            var isValid = true
            for (name, _) in members where !checkPart(.string(name), .member(name), target) {
                isValid = false
                if isBrief { break }
            }
            return isValid
        case .dependentRequired(let name, let rules):
            var isValid = true
            let present = MemberNames(members, lookups: rules.count)
            for rule in rules where present.contains(rule.name) {
                for needed in rule.needed where !present.contains(needed) {
                    isValid = false
                    report(node, name, "the member \"\(needed)\" is missing, which \"\(rule.name)\" needs")
                }
            }
            return isValid
        case .dependentSchemas(_, let rules):
            var isValid = true
            let present = MemberNames(members, lookups: rules.count)
            for rule in rules where present.contains(rule.name) {
                if !checkAlso(value, rule.node, &evaluated) { isValid = false }
            }
            return isValid
        case .unevaluatedProperties(let target):
            var isValid = true
            for (number, member) in members.enumerated() where !evaluated.members.contains(number) {
                if checkPart(member.1, .member(member.0), target) {
                    evaluated.members.insert(number)
                } else {
                    isValid = false
                    if isBrief { break }
                }
            }
            return isValid
        default: return nil
        }
    }

    private mutating func applyProperties(
        _ rules: SchemaKeyword.Properties, _ node: SchemaNode, _ members: [(String, JSONValue)],
        _ evaluated: inout Evaluated
    ) -> Bool {
        var isValid = true
        for (number, member) in members.enumerated() {
            var isKnown = false
            if !rules.named.isEmpty, let target = rules.named[JSONName(member.0)] {
                isKnown = true
                if !checkPart(member.1, .member(member.0), target) { isValid = false }
            }
            for rule in rules.patterns {
                guard let isFound = isFound(rule.pattern, member.0) else { return false }
                guard isFound else { continue }
                isKnown = true
                if !checkPart(member.1, .member(member.0), rule.node) { isValid = false }
            }
            if !isKnown, let additional = rules.additional {
                isKnown = true
                if schema.nodes[additional].constant == false {
                    isValid = false
                    path.append(.member(member.0))
                    report(node, "additionalProperties", "no member of this name is allowed")
                    path.removeLast()
                } else if !checkPart(member.1, .member(member.0), additional) {
                    isValid = false
                }
            }
            if isKnown, schema.usesUnevaluated { evaluated.members.insert(number) }
            if !isValid, isBrief { return false }
        }
        return isValid
    }

    /// - Returns: nil, and the check has failed, when matching takes too many steps.
    mutating func isFound(_ expression: ECMAExpression, _ text: String) -> Bool? {
        // One here is worth some of the expression's.
        var count = 0
        defer { stepCount += 1 + text.utf8.count >> 6 + count >> 4 }
        do throws(PatternError) {
            return try expression.isFound(in: text, stepCount: &count)
        } catch {
            failure = "the expression `\(expression.text)`: \(error.message)"
            return nil
        }
    }

    // MARK: Arrays

    /// - Returns: nil for keywords that are not about arrays.
    private mutating func applyToArray(
        _ keyword: SchemaKeyword, _ node: SchemaNode, _ elements: [JSONValue], _ evaluated: inout Evaluated
    ) -> Bool? {
        switch keyword {
        case .items(let prefix, _, let rest, let restName):
            var isValid = true
            for (index, element) in elements.enumerated() {
                guard let target = index < prefix.count ? prefix[index] : rest else { break }
                if index >= prefix.count, schema.nodes[target].constant == false {
                    report(node, restName, "has \(elements.count) elements, more than \(prefix.count)")
                    return false
                }
                if !checkPart(element, .element(index), target) {
                    isValid = false
                    if isBrief { break }
                }
            }
            evaluated.elementsBefore = max(
                evaluated.elementsBefore, rest == nil ? min(prefix.count, elements.count) : elements.count)
            return isValid
        case .contains(let target, let least, let most, let marks):
            var count = 0
            for (index, element) in elements.enumerated() {
                silence += 1
                let isContained = checkPart(element, .element(index), target)
                silence -= 1
                guard isContained else { continue }
                count += 1
                if marks { evaluated.elements.insert(index) }
            }
            if count < least {
                report(node, "contains", "\(count) elements match the schema of which \(least) must be contained")
                return false
            }
            if let most, count > most {
                report(node, "maxContains", "\(count) elements match the schema of which \(most) may be contained")
                return false
            }
            return failure == nil
        case .minItems(let count):
            if elements.count >= count { return true }
            report(node, "minItems", "has \(elements.count) elements, fewer than \(count)")
            return false
        case .maxItems(let count):
            if elements.count <= count { return true }
            report(node, "maxItems", "has \(elements.count) elements, more than \(count)")
            return false
        case .uniqueItems:
            guard let (first, second) = firstPair(in: elements) else { return failure == nil }
            report(node, "uniqueItems", "the elements \(first) and \(second) are the same")
            return false
        case .unevaluatedItems(let target):
            var isValid = true
            for (index, element) in elements.enumerated()
            where index >= evaluated.elementsBefore && !evaluated.elements.contains(index) {
                if checkPart(element, .element(index), target) {
                    evaluated.elements.insert(index)
                } else {
                    isValid = false
                    if isBrief { break }
                }
            }
            return isValid
        default: return nil
        }
    }

    /// The first two elements that are the same; nil also when the check has failed.
    private mutating func firstPair(in elements: [JSONValue]) -> (Int, Int)? {
        var seen: [[UInt8]: Int] = [:]
        for (index, element) in elements.enumerated() {
            guard let identity = identity(of: element) else { return nil }
            if let other = seen.updateValue(index, forKey: identity) { return (other, index) }
        }
        return nil
    }

    /// What `value` is compared by, which takes steps as it is long; nil, and the check has failed, when there are none
    /// left for it.
    mutating func identity(of value: JSONValue) -> [UInt8]? {
        guard failure == nil else { return nil }
        let identity = value.identity
        stepCount += 1 + identity.count >> 6
        guard stepCount <= stepCountMax || isWorthMore() else {
            failure = "checking takes more than \(stepCountMax) steps"
            return nil
        }
        return identity
    }
}

/// The names of an object's members, in a table when a look at each would take longer.
private struct MemberNames {
    private let members: [(String, JSONValue)]
    private let table: Set<JSONName>

    init(_ members: [(String, JSONValue)], lookups: Int) {
        self.members = members
        table = members.count > 8 && lookups > 8 ? Set(members.map { JSONName($0.0) }) : []
    }

    func contains(_ name: String) -> Bool {
        table.isEmpty ? members.contains { JSONName.isSame($0.0, name) } : table.contains(JSONName(name))
    }
}
