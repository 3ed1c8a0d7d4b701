/// All rules, by the resources that they are about. A value: a change makes another one.
///
/// Names are looked up, prefixes found by searching a sorted list, so that thousands of rules cost little more than one.
///
/// Names that Unicode takes for equal are one name here as everywhere else in the process, which holds groups and the like
/// by their names: what a rule says of one spelling must hold for all. Where all is ASCII, that is a matter of bytes.
struct AclIndex: Sendable {
    /// A rule as it is compared.
    struct Entry: Sendable {
        let binding: AclBinding
        /// nil is everybody.
        let principal: Principal?
        /// nil is everywhere.
        let host: String?
        let operations: AclOperations

        /// - Returns: nil when the principal cannot be read, which the checks of new rules rule out.
        init?(_ binding: AclBinding) {
            guard let principal = Principal(binding.principal) else { return nil }
            self.binding = binding
            self.principal = principal == .everybody ? nil : principal
            host = binding.host == AclBinding.wildcard ? nil : HostAddress.canonical(binding.host)
            operations = binding.operation.covered(by: binding.permission)
        }

        func concerns(_ principal: Principal, _ host: String) -> Bool {
            (self.principal == nil || self.principal == principal) && (self.host == nil || self.host == host)
        }
    }

    private struct Prefix: Sendable {
        var name: String
        var bytes: [UInt8]
        var entries: [Entry]
    }

    private struct Rules: Sendable {
        var literal: [String: [Entry]] = [:]
        /// Those in ASCII, sorted by their bytes.
        var prefixes: [Prefix] = []
        /// All others.
        var otherPrefixes: [Prefix] = []
    }

    private var rules: [AclResourceType: Rules] = [:]
    /// How often rules name a host: others need not be told apart.
    private var hosts: [String: Int] = [:]
    private(set) var count = 0

    init(_ bindings: some Sequence<AclBinding> = []) {
        for binding in bindings { add(binding) }
    }

    func names(host: String) -> Bool { hosts[host] != nil }

    // MARK: Changes

    /// - Parameter binding: one that is not in the index.
    mutating func add(_ binding: AclBinding) {
        guard let entry = Entry(binding) else { return }
        count += 1
        if let host = entry.host { hosts[host, default: 0] += 1 }
        switch binding.patternType {
        case .literal:
            rules[binding.resourceType, default: Rules()].literal[binding.resourceName, default: []].append(entry)
        case .prefixed:
            let name = binding.resourceName
            let bytes = Array(name.utf8)
            guard Self.isASCII(name) else {
                var others = rules[binding.resourceType]?.otherPrefixes ?? []
                if let place = others.firstIndex(where: { $0.name == name }) {
                    others[place].entries.append(entry)
                } else {
                    others.append(Prefix(name: name, bytes: bytes, entries: [entry]))
                }
                rules[binding.resourceType, default: Rules()].otherPrefixes = others
                return
            }
            let all = rules[binding.resourceType]?.prefixes ?? []
            let place = Self.end(of: bytes[...], in: all)
            if place > 0, all[place - 1].bytes == bytes {
                rules[binding.resourceType]?.prefixes[place - 1].entries.append(entry)
            } else {
                rules[binding.resourceType, default: Rules()].prefixes
                    .insert(Prefix(name: name, bytes: bytes, entries: [entry]), at: place)
            }
        }
    }

    mutating func remove(_ bindings: some Sequence<AclBinding>) {
        // One pass over the rules of a resource, however many of them go.
        for (place, gone) in Dictionary(grouping: bindings, by: { Place(binding: $0) }) {
            guard var rules = self.rules[place.type] else { continue }
            let gone = Set(gone)
            switch place.patternType {
            case .literal:
                if var entries = rules.literal[place.name] {
                    remove(gone, from: &entries)
                    rules.literal[place.name] = entries.isEmpty ? nil : entries
                }
            case .prefixed:
                for list in [\Rules.prefixes, \Rules.otherPrefixes] {
                    guard let at = rules[keyPath: list].firstIndex(where: { $0.name == place.name }) else { continue }
                    remove(gone, from: &rules[keyPath: list][at].entries)
                    if rules[keyPath: list][at].entries.isEmpty { rules[keyPath: list].remove(at: at) }
                }
            }
            self.rules[place.type] = rules
        }
    }

    /// A resource as rules name it.
    private struct Place: Hashable {
        var type: AclResourceType
        var patternType: AclPatternType
        var name: String

        init(binding: AclBinding) {
            type = binding.resourceType
            patternType = binding.patternType
            name = binding.resourceName
        }
    }

    private mutating func remove(_ bindings: Set<AclBinding>, from entries: inout [Entry]) {
        entries.removeAll { entry in
            guard bindings.contains(entry.binding) else { return false }
            count -= 1
            if let host = entry.host {
                let left = (hosts[host] ?? 0) - 1
                hosts[host] = left > 0 ? left : nil
            }
            return true
        }
    }

    // MARK: Questions

    /// Calls `body` with every rule about the resource.
    func each(_ type: AclResourceType, _ name: String, _ body: (Entry) -> Void) {
        guard let rules = rules[type] else { return }
        for entry in rules.literal[name] ?? [] { body(entry) }
        if name != AclBinding.wildcard { for entry in rules.literal[AclBinding.wildcard] ?? [] { body(entry) } }
        for prefix in rules.otherPrefixes where name.hasPrefix(prefix.name) {
            for entry in prefix.entries { body(entry) }
        }
        guard !rules.prefixes.isEmpty else { return }
        guard Self.isASCII(name) else {
            for prefix in rules.prefixes where name.hasPrefix(prefix.name) {
                for entry in prefix.entries { body(entry) }
            }
            return
        }
        // The last prefix that is not behind the name either begins it, or tells how much of it the next one can be.
        let bytes = Array(name.utf8)
        var rest = bytes[...]
        while true {
            let place = Self.end(of: rest, in: rules.prefixes) - 1
            guard place >= 0 else { return }
            let prefix = rules.prefixes[place]
            let common = zip(rest, prefix.bytes).prefix { $0 == $1 }.count
            if common == prefix.bytes.count {
                for entry in prefix.entries { body(entry) }
                guard common > 0 else { return }
                rest = bytes[..<(common - 1)]
            } else {
                rest = bytes[..<common]
            }
        }
    }

    /// Calls `body` with every rule about resources of the type.
    func each(_ type: AclResourceType, _ body: (Entry) -> Void) {
        guard let rules = rules[type] else { return }
        for entries in rules.literal.values { for entry in entries { body(entry) } }
        for prefix in rules.prefixes + rules.otherPrefixes { for entry in prefix.entries { body(entry) } }
    }

    private static func isASCII(_ name: String) -> Bool { name.utf8.allSatisfy { $0 < 0x80 } }

    /// How many prefixes are not behind `bytes` in the order of the list.
    private static func end(of bytes: ArraySlice<UInt8>, in prefixes: [Prefix]) -> Int {
        var low = 0
        var high = prefixes.count
        while low < high {
            let middle = (low + high) / 2
            if bytes.lexicographicallyPrecedes(prefixes[middle].bytes) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension Principal {
    /// Whom rules mean by `User:*`.
    static let everybody = Principal(name: "*")
}
