/// All rules, by the resources that they are about. A value: a change makes another one.
///
/// Names are looked up, prefixes found by searching a sorted list, so that thousands of rules cost little more than one.
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
        var bytes: [UInt8]
        var entries: [Entry]
    }

    private struct Rules: Sendable {
        var literal: [String: [Entry]] = [:]
        /// Sorted by their bytes.
        var prefixes: [Prefix] = []
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
            let bytes = Array(binding.resourceName.utf8)
            let all = rules[binding.resourceType]?.prefixes ?? []
            let place = Self.end(of: bytes[...], in: all)
            if place > 0, all[place - 1].bytes == bytes {
                rules[binding.resourceType]?.prefixes[place - 1].entries.append(entry)
            } else {
                rules[binding.resourceType, default: Rules()].prefixes
                    .insert(Prefix(bytes: bytes, entries: [entry]), at: place)
            }
        }
    }

    mutating func remove(_ binding: AclBinding) {
        let type = binding.resourceType
        var removed = 0
        switch binding.patternType {
        case .literal:
            guard var entries = rules[type]?.literal[binding.resourceName] else { return }
            removed = Self.remove(binding, from: &entries)
            rules[type]?.literal[binding.resourceName] = entries.isEmpty ? nil : entries
        case .prefixed:
            let bytes = Array(binding.resourceName.utf8)
            guard let all = rules[type]?.prefixes else { return }
            let place = Self.end(of: bytes[...], in: all) - 1
            guard place >= 0, all[place].bytes == bytes else { return }
            var entries = all[place].entries
            removed = Self.remove(binding, from: &entries)
            if entries.isEmpty {
                rules[type]?.prefixes.remove(at: place)
            } else {
                rules[type]?.prefixes[place].entries = entries
            }
        }
        guard removed > 0 else { return }
        count -= removed
        if binding.host != AclBinding.wildcard {
            let host = HostAddress.canonical(binding.host)
            let left = (hosts[host] ?? 0) - removed
            hosts[host] = left > 0 ? left : nil
        }
    }

    private static func remove(_ binding: AclBinding, from entries: inout [Entry]) -> Int {
        let before = entries.count
        entries.removeAll { $0.binding == binding }
        return before - entries.count
    }

    // MARK: Questions

    /// Calls `body` with every rule about the resource.
    func each(_ type: AclResourceType, _ name: String, _ body: (Entry) -> Void) {
        guard let rules = rules[type] else { return }
        for entry in rules.literal[name] ?? [] { body(entry) }
        if name != AclBinding.wildcard { for entry in rules.literal[AclBinding.wildcard] ?? [] { body(entry) } }
        guard !rules.prefixes.isEmpty else { return }
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
        for prefix in rules.prefixes { for entry in prefix.entries { body(entry) } }
    }

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
