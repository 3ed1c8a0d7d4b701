/// Texts that a regular expression matches: characters, classes, groups, alternatives and repetitions. What has no
/// meaning for making a text (`^`, `$`, `\b`) is passed over; what would need a search (lookaround, references) is refused.
struct RandomText: Sendable {
    private let root: Node
    /// Counts of repetitions without an upper bound, and every other count, end here.
    static let countMax = 10_000
    private static let depthMax = 100

    /// - Throws: what is wrong with the expression and where.
    init(_ pattern: String) throws(DatagenError) {
        var parser = Parser(pattern)
        root = try parser.alternatives(depth: 0)
        guard parser.isAtEnd else { throw parser.failure("a ')' without '('") }
        guard root.lengths.lowerBound <= Self.lengthMax else {
            throw DatagenError("regex '\(pattern)': its texts are longer than \(Self.lengthMax) characters")
        }
    }

    private static let lengthMax = 1_000_000

    /// A text of `lengths` characters, or one as near to that as the expression allows.
    func text(_ lengths: ClosedRange<Int>, _ random: inout JavaRandom) -> String {
        var output: [UInt8] = []
        root.append(lengths, &random, &output)
        return String(decoding: output, as: UTF8.self)
    }

    private indirect enum Node: Sendable {
        /// One of the characters in the ranges; `count` is how many there are.
        case character(ranges: [ClosedRange<UInt32>], count: Int)
        case sequence([Node], ClosedRange<Int>)
        case either([Node], ClosedRange<Int>)
        case repeated(Node, ClosedRange<Int>, ClosedRange<Int>)

        /// Shortest and longest text in characters.
        var lengths: ClosedRange<Int> {
            switch self {
            case .character: 1...1
            case .sequence(_, let lengths), .either(_, let lengths), .repeated(_, _, let lengths): lengths
            }
        }

        static func ofParts(_ parts: [Node]) -> Node {
            if parts.count == 1, let only = parts.first { return only }
            var lowest = 0
            var highest = 0
            for part in parts {
                lowest = RandomText.sum(lowest, part.lengths.lowerBound)
                highest = RandomText.sum(highest, part.lengths.upperBound)
            }
            return .sequence(parts, lowest...highest)
        }

        static func ofBranches(_ branches: [Node]) -> Node {
            guard let first = branches.first else { return .ofParts([]) }
            if branches.count == 1 { return first }
            let lowest = branches.map(\.lengths.lowerBound).min() ?? 0
            return .either(branches, lowest...(branches.map(\.lengths.upperBound).max() ?? lowest))
        }

        static func ofCounts(_ part: Node, _ counts: ClosedRange<Int>) -> Node {
            .repeated(
                part, counts,
                RandomText.product(
                    part.lengths.lowerBound, counts.lowerBound)...RandomText.product(
                        part.lengths.upperBound, counts.upperBound))
        }

        func append(_ wanted: ClosedRange<Int>, _ random: inout JavaRandom, _ output: inout [UInt8]) {
            switch self {
            case .character(let ranges, let count):
                var place = count == 1 ? 0 : random.nextIndex(count)
                for range in ranges {
                    if place < range.count {
                        let scalar = Unicode.Scalar(range.lowerBound + UInt32(place)) ?? "?"
                        output += UTF8.encode(scalar).map { Array($0) } ?? []
                        return
                    }
                    place -= range.count
                }
            case .sequence(let parts, let lengths):
                var later = lengths
                var wanted = wanted
                for part in parts {
                    let own = part.lengths
                    let shortest = max(0, later.lowerBound - own.lowerBound)
                    // Sums end at a bound, so what is left may be less than there is.
                    later = shortest...max(shortest, later.upperBound - own.upperBound)
                    let before = output.count
                    part.append(
                        Self.clamped(wanted.lowerBound - later.upperBound, wanted.upperBound - later.lowerBound, own),
                        &random, &output)
                    let used = own.lowerBound == own.upperBound ? own.lowerBound : Self.characters(output, before)
                    wanted = (wanted.lowerBound - used)...(wanted.upperBound - used)
                }
            case .either(let branches, _):
                let fitting = branches.filter { $0.lengths.overlaps(wanted) }
                let choices = fitting.isEmpty ? branches : fitting
                choices[random.nextIndex(choices.count)].append(wanted, &random, &output)
            case .repeated(let part, let counts, let lengths):
                let own = part.lengths
                let wanted = Self.clamped(wanted.lowerBound, wanted.upperBound, lengths)
                // Counts with which a text of the wanted length is possible.
                var fewest = own.upperBound == 0 ? 0 : (wanted.lowerBound + own.upperBound - 1) / own.upperBound
                var most = own.lowerBound == 0 ? counts.upperBound : wanted.upperBound / own.lowerBound
                fewest = min(max(fewest, counts.lowerBound), counts.upperBound)
                most = max(min(most, counts.upperBound), fewest)
                if own.lowerBound == 0 { most = min(most, fewest + 16) }
                let count = most == fewest ? fewest : fewest + random.nextIndex(most - fewest + 1)
                guard count > 0 else { return }
                if own.lowerBound == own.upperBound {
                    for _ in 0..<count { part.append(own, &random, &output) }
                    return
                }
                var left = wanted
                for index in 0..<count {
                    let after = count - index - 1
                    let before = output.count
                    part.append(
                        Self.clamped(
                            left.lowerBound - RandomText.product(own.upperBound, after),
                            left.upperBound - own.lowerBound * after, own), &random, &output)
                    let used = Self.characters(output, before)
                    left = (left.lowerBound - used)...(left.upperBound - used)
                }
            }
        }

        /// The part of a range that is possible, else the possible end that is nearest.
        private static func clamped(_ lowest: Int, _ highest: Int, _ own: ClosedRange<Int>) -> ClosedRange<Int> {
            let lower = min(max(lowest, own.lowerBound), own.upperBound)
            return lower...max(lower, min(highest, own.upperBound))
        }

        private static func characters(_ output: [UInt8], _ start: Int) -> Int {
            output[start...].reduce(0) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 }
        }
    }

    private static let unbounded = 1 << 40

    private static func sum(_ a: Int, _ b: Int) -> Int { min(a + b, unbounded) }

    private static func product(_ a: Int, _ b: Int) -> Int {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? unbounded : min(value, unbounded)
    }

    // MARK: parsing

    private struct Parser {
        private let pattern: String
        private let scalars: [UInt32]
        private var at = 0

        init(_ pattern: String) {
            self.pattern = pattern
            scalars = pattern.unicodeScalars.map(\.value)
        }

        var isAtEnd: Bool { at == scalars.count }

        func failure(_ reason: String) -> DatagenError {
            DatagenError("regex '\(pattern)': \(reason) at character \(at + 1)")
        }

        private var peek: Unicode.Scalar? { at < scalars.count ? Unicode.Scalar(scalars[at]) : nil }

        private mutating func take() -> Unicode.Scalar? {
            guard let next = peek else { return nil }
            at += 1
            return next
        }

        private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
            guard peek == scalar else { return false }
            at += 1
            return true
        }

        mutating func alternatives(depth: Int) throws(DatagenError) -> Node {
            guard depth < RandomText.depthMax else { throw failure("groups are nested too deep") }
            var branches = [try sequence(depth)]
            while skip("|") { branches.append(try sequence(depth)) }
            return .ofBranches(branches)
        }

        private mutating func sequence(_ depth: Int) throws(DatagenError) -> Node {
            var parts: [Node] = []
            while let next = peek, next != "|", next != ")" {
                guard let part = try item(depth) else { continue }
                parts.append(try repetition(of: part))
            }
            return .ofParts(parts)
        }

        private mutating func repetition(of part: Node) throws(DatagenError) -> Node {
            var part = part
            while true {
                let counts: ClosedRange<Int>
                switch peek {
                case "*": counts = 0...RandomText.countMax
                case "+": counts = 1...RandomText.countMax
                case "?": counts = 0...1
                case "{":
                    at += 1
                    part = .ofCounts(part, try braces())
                    skipMode()
                    continue
                default: return part
                }
                at += 1
                skipMode()
                part = .ofCounts(part, counts)
            }
        }

        /// Lazy or possessive: nothing that a made text shows.
        private mutating func skipMode() {
            if !skip("?") { _ = skip("+") }
        }

        private mutating func braces() throws(DatagenError) -> ClosedRange<Int> {
            func limited(_ number: Int) throws(DatagenError) -> Int {
                guard number <= RandomText.countMax else {
                    throw failure("a repetition of more than \(RandomText.countMax)")
                }
                return number
            }
            guard let first = number() else { throw failure("'{' without a number") }
            let lowest = try limited(first)
            if skip("}") { return lowest...lowest }
            guard skip(",") else { throw failure("'{\(lowest)' without '}'") }
            if skip("}") { return lowest...max(lowest, RandomText.countMax) }
            guard let last = number(), skip("}") else { throw failure("'{\(lowest),' without '}'") }
            guard last >= lowest else { throw failure("a repetition that ends before it begins") }
            return lowest...(try limited(last))
        }

        private mutating func number() -> Int? {
            var value: Int?
            while let next = peek, "0"..."9" ~= next, (value ?? 0) < 1_000_000 {
                value = (value ?? 0) * 10 + Int(next.value - 48)
                at += 1
            }
            return value
        }

        /// nil for what adds nothing to a text.
        private mutating func item(_ depth: Int) throws(DatagenError) -> Node? {
            guard let next = take() else { return nil }
            switch next {
            case "^", "$": return nil
            case ".": return Self.characters(RandomText.printable)
            case "[": return Self.characters(try characterClass())
            case "(":
                if skip("?") { try groupKind() }
                let inner = try alternatives(depth: depth + 1)
                guard skip(")") else { throw failure("'(' without ')'") }
                return inner
            case "*", "+", "?": throw failure("'\(next)' with nothing before it")
            case "\\":
                if skip("Q") { return quotation() }
                if let anchor = peek, "bBAzZG".unicodeScalars.contains(anchor) {
                    at += 1
                    return nil
                }
                return Self.characters(try escape())
            default: return Self.characters([next.value...next.value])
            }
        }

        private mutating func groupKind() throws(DatagenError) {
            if skip(":") { return }
            if skip("<"), let next = peek, next != "=", next != "!" {
                while let next = take(), next != ">" {}
                return
            }
            throw failure("what '(?' begins cannot make a text")
        }

        private mutating func quotation() -> Node {
            var parts: [Node] = []
            while let next = take() {
                if next == "\\", skip("E") { break }
                parts.append(Self.characters([next.value...next.value]))
            }
            return .ofParts(parts)
        }

        private static func characters(_ ranges: [ClosedRange<UInt32>]) -> Node {
            .character(ranges: ranges, count: ranges.reduce(0) { $0 + $1.count })
        }

        /// Behind the backslash.
        private mutating func escape() throws(DatagenError) -> [ClosedRange<UInt32>] {
            guard let next = take() else { throw failure("a backslash at the end") }
            switch next {
            case "d": return [48...57]
            case "w": return [48...57, 65...90, 95...95, 97...122]
            case "s": return [32...32, 9...9]
            case "D": return RandomText.printable(without: [48...57])
            case "W": return RandomText.printable(without: [48...57, 65...90, 95...95, 97...122])
            case "S": return RandomText.printable(without: [32...32])
            case "t": return [9...9]
            case "n": return [10...10]
            case "r": return [13...13]
            case "f": return [12...12]
            case "a": return [7...7]
            case "e": return [27...27]
            case "x": return try hexadecimal(2)
            case "u": return try hexadecimal(4)
            default:
                if "0"..."9" ~= next || "A"..."Z" ~= next || "a"..."z" ~= next {
                    throw failure("'\\\(next)' cannot make a text")
                }
                return [next.value...next.value]
            }
        }

        private mutating func hexadecimal(_ count: Int) throws(DatagenError) -> [ClosedRange<UInt32>] {
            var value: UInt32 = 0
            for _ in 0..<count {
                guard let digit = take(), let number = Int(String(digit), radix: 16) else {
                    throw failure("not \(count) hexadecimal digits")
                }
                value = value << 4 | UInt32(number)
            }
            guard Unicode.Scalar(value) != nil else { throw failure("not a character") }
            return [value...value]
        }

        /// Behind the bracket.
        private mutating func characterClass() throws(DatagenError) -> [ClosedRange<UInt32>] {
            let isNegated = skip("^")
            var ranges: [ClosedRange<UInt32>] = []
            var isFirst = true
            while true {
                guard let next = take() else { throw failure("'[' without ']'") }
                if next == "]", !isFirst { break }
                isFirst = false
                if next == "[" {
                    ranges += try characterClass()
                    continue
                }
                if next == "&", peek == "&" { throw failure("intersections of classes are not supported") }
                let first = next == "\\" ? try escape() : [next.value...next.value]
                guard first.count == 1, let low = first.first, low.count == 1, peek == "-",
                    at + 1 < scalars.count, scalars[at + 1] != 93
                else {
                    ranges += first
                    continue
                }
                at += 1
                guard let end = take() else { throw failure("'[' without ']'") }
                let last = end == "\\" ? try escape() : [end.value...end.value]
                guard let high = last.first, last.count == 1, high.count == 1, high.lowerBound >= low.lowerBound
                else { throw failure("a range that ends before it begins") }
                // What is no character lies in one block between these two.
                if low.lowerBound < 0xD800, high.lowerBound > 0xDFFF {
                    ranges += [low.lowerBound...0xD7FF, 0xE000...high.lowerBound]
                } else {
                    ranges.append(low.lowerBound...high.lowerBound)
                }
            }
            let result = RandomText.merged(isNegated ? RandomText.printable(without: ranges) : ranges)
            guard !result.isEmpty else { throw failure("a class without characters") }
            return result
        }
    }

    /// What stands for "any character": those of ASCII that can be seen, and the space.
    private static let printable: [ClosedRange<UInt32>] = [32...126]

    private static func printable(without ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        let all: ClosedRange<UInt32> = 32...126
        return merged(all.filter { value in !ranges.contains { $0.contains(value) } }.map { $0...$0 })
    }

    /// In order, without doubles, so that each character is as likely as any other.
    private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound + 1 {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}

/// What is wrong with the description of the data to generate.
struct DatagenError: Error, Sendable, CustomStringConvertible {
    var message: String

    init(_ message: String) { self.message = message }

    var description: String { message }
}
