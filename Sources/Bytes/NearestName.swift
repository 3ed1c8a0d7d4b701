/// The name among `names` that `name` was probably meant to be, for "did you mean": at most a third of the letters are
/// changed, added, left out or swapped with their neighbours, letters in the other case not counted. Of equally near ones
/// the first.
///
/// Takes time proportional to the product of the lengths for each candidate of similar length; names longer than 64 have
/// no neighbours.
package func nearestName(to name: String, among names: some Sequence<String>) -> String? {
    let wanted = Array(name.utf8.map(upperCased))
    guard (2...64).contains(wanted.count) else { return nil }
    var best: String?
    var bestDistance = Int.max
    for candidate in names {
        let letters = Array(candidate.utf8.map(upperCased))
        guard (1...64).contains(letters.count), abs(letters.count - wanted.count) <= 3 else { continue }
        let limit = max(1, max(letters.count, wanted.count) / 3)
        let distance = editDistance(wanted, letters)
        guard distance <= limit, distance < min(letters.count, wanted.count), distance < bestDistance else { continue }
        best = candidate
        bestDistance = distance
    }
    return best
}

/// Changes, insertions, deletions and swaps of neighbours that turn one into the other (optimal string alignment).
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...b.count)
    for row in 0..<a.count {
        var current = [row + 1]
        current.reserveCapacity(b.count + 1)
        for column in 0..<b.count {
            let change = previous[column] + (a[row] == b[column] ? 0 : 1)
            var distance = min(change, min(previous[column + 1], current[column]) + 1)
            if row > 0, column > 0, a[row] == b[column - 1], a[row - 1] == b[column] {
                distance = min(distance, beforePrevious[column - 1] + 1)
            }
            current.append(distance)
        }
        beforePrevious = previous
        previous = current
    }
    return previous[b.count]
}

/// Of ASCII letters; others are compared as they are.
private func upperCased(_ byte: UInt8) -> UInt8 { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte ? byte & 0xDF : byte }
