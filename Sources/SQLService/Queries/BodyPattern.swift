import Glibc
import Synchronization

/// The body of a request with a pull query that was prepared, as the bytes around the values of its statement.
///
/// Requests of a client mostly differ in these values and in nothing else. A body that has the same bytes around values of
/// the same kinds is one that was understood before: the JSON around the statement, the statement's shape and the properties
/// are what they were. So there is nothing to be parsed but the values. Whatever is not for certain does not match, and is
/// parsed as a whole.
struct BodyPattern: Sendable {
    private enum Kind { case text, integer }

    let prepared: PreparedPull
    private let bytes: [UInt8]
    /// The values in `bytes`, by their places.
    private let values: [(place: Range<Int>, kind: Kind)]

    /// - Parameters:
    ///   - body: a JSON object that has the statement's text in one of its members.
    ///   - prepared: what the statement was found to be.
    /// - Returns: nil where it is not for certain which bytes of the body are the statement.
    init?(_ body: [UInt8], _ text: String, _ prepared: PreparedPull) {
        // Without escapes the statement stands in the body as it is. If it is there once, it is in its own place.
        guard !body.contains(UInt8(ascii: "\\")),
            let start = Self.onlyPlace(of: [UInt8(ascii: "\"")] + text.utf8 + [UInt8(ascii: "\"")], in: body),
            let places = prepared.pattern == nil ? [] : StatementShape.places(in: text)
        else { return nil }
        bytes = body
        values = places.map { place in
            let place = (place.lowerBound + start + 1)..<(place.upperBound + start + 1)
            return (place, body[place.lowerBound] == UInt8(ascii: "'") ? .text : .integer)
        }
        self.prepared = prepared
    }

    private static func onlyPlace(of part: [UInt8], in all: [UInt8]) -> Int? {
        let places = all.indices.dropLast(part.count - 1).filter { all[$0...].starts(with: part) }
        return places.count == 1 ? places[0] : nil
    }

    /// The values of the statement in a body of the pattern; nil for others.
    func values(in body: UnsafeRawBufferPointer) -> [StatementShape.Value]? {
        bytes.withUnsafeBytes { own in
            var reader = Reader(body: body)
            var end = 0
            var found: [StatementShape.Value] = []
            found.reserveCapacity(values.count)
            for (place, kind) in values {
                guard reader.skip(own, end..<place.lowerBound),
                    let value = kind == .text ? reader.text() : reader.integer()
                else { return nil }
                found.append(value)
                end = place.upperBound
            }
            return reader.skip(own, end..<own.count) && reader.isAtEnd ? found : nil
        }
    }

    /// Reads values as `StatementShape` does. Behind a value comes a byte of the pattern, which is not one that could make the
    /// value longer: it did not in the statement that the pattern was made of.
    private struct Reader {
        let body: UnsafeRawBufferPointer
        private var at = 0

        init(body: UnsafeRawBufferPointer) { self.body = body }

        var isAtEnd: Bool { at == body.count }

        mutating func skip(_ other: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
            guard let own = body.baseAddress, let other = other.baseAddress, body.count - at >= range.count,
                memcmp(own + at, other + range.lowerBound, range.count) == 0
            else { return false }
            at += range.count
            return true
        }

        /// Of no more than 18 digits: any such number has room in 64 bits.
        mutating func integer() -> StatementShape.Value? {
            let isNegative = at < body.count && body[at] == UInt8(ascii: "-")
            if isNegative { at += 1 }
            let start = at
            var number: Int64 = 0
            while at < body.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= body[at], at - start <= 18 {
                number = 10 &* number &+ Int64(body[at] &- UInt8(ascii: "0"))
                at += 1
            }
            guard 1...18 ~= at - start else { return nil }
            return .integer(isNegative ? -number : number)
        }

        /// Without quotes in it, and without what JSON would have to escape.
        mutating func text() -> StatementShape.Value? {
            guard at < body.count, body[at] == UInt8(ascii: "'") else { return nil }
            let start = at + 1
            var end = start
            while end < body.count, body[end] != UInt8(ascii: "'") {
                switch body[end] {
                case 0..<0x20, UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"): return nil
                default: end += 1
                }
            }
            guard end + 1 < body.count, body[end + 1] != UInt8(ascii: "'"),
                let text = String(validating: body[start..<end], as: UTF8.self)
            else { return nil }
            at = end + 1
            return .text(text)
        }
    }
}

/// The patterns of the bodies that one path was asked with lately.
final class BodyPatterns: Sendable {
    /// Each body is compared with all of them, until one matches.
    static let countMax = 32

    /// The one that was of use last comes first.
    private let patterns = Mutex<[BodyPattern]>([])

    /// - Parameter version: of what holds now.
    func find(
        _ body: UnsafeRawBufferPointer, version: UInt64
    ) -> (prepared: PreparedPull, values: [StatementShape.Value])? {
        patterns.withLock { patterns in
            for index in patterns.indices {
                guard let values = patterns[index].values(in: body) else { continue }
                let prepared = patterns[index].prepared
                guard prepared.version == version else {
                    patterns.remove(at: index)
                    return nil
                }
                if index > 0 { patterns.swapAt(0, index) }
                return (prepared, values)
            }
            return nil
        }
    }

    func keep(_ pattern: BodyPattern) {
        patterns.withLock { patterns in
            patterns.removeAll { $0.prepared.version != pattern.prepared.version }
            patterns.insert(pattern, at: 0)
            if patterns.count > Self.countMax { patterns.removeLast() }
        }
    }

    var count: Int { patterns.withLock { $0.count } }
}
