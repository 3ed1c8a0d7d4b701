/// The name somebody meant who wrote another one.
package enum NearestName {
    /// The one of `names` that takes the fewest changes, nil when none is near: a third of its letters or less.
    package static func of(_ name: String, in names: some Sequence<String>) -> String? {
        var best: (name: String, distance: Int)?
        for candidate in names {
            let distance = distance(
                Array(name.lowercased().utf8.prefix(200)), Array(candidate.lowercased().utf8.prefix(200)))
            guard distance <= max(1, candidate.utf8.count / 3) else { continue }
            if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
        }
        return best?.name
    }

    /// Insertions, deletions and replacements that make one text of the other.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = left == right ? diagonal : 1 + min(diagonal, min(above, row[j]))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
