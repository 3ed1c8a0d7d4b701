/// What a reader makes of two members of one object that have the same name.
package enum JSONDuplicates: Sendable {
    /// Both stay; `JSONValue`'s subscript finds the last.
    case keep
    /// The last value takes the place of the first, as in Java's Jackson and in JavaScript.
    case last
    /// An error.
    case refuse
}

extension JSONValue {
    /// Reads one JSON document: exactly one value, UTF-8, nested at most `JSONText.depthMax` deep.
    ///
    /// Integers that fit are `.number`; other numbers are `.raw` with their own text, so that no digit is lost. Of
    /// members with the same name all are kept; `subscript` finds the last, as most readers of JSON do.
    ///
    /// - Returns: nil when `bytes` are anything else.
    package static func parse(_ bytes: [UInt8]) -> JSONValue? {
        do throws(JSONError) {
            return try read(bytes.span.bytes)
        } catch {
            return nil  // callers that want the reason call `read`
        }
    }

    /// Reads one JSON document, see `parse`.
    ///
    /// - Throws: the first thing that is wrong, with its place.
    package static func read(
        _ bytes: RawSpan, duplicates: JSONDuplicates = .keep, depthMax: Int = JSONText.depthMax
    ) throws(JSONError) -> JSONValue {
        var cursor = JSONCursor(depthMax: depthMax)
        let value = try read(&cursor, bytes, duplicates, depth: 0)
        try cursor.expectEnd(in: bytes)
        return value
    }

    /// Reads the UTF-8 of `text`, see `parse`.
    package static func read(
        _ text: String, duplicates: JSONDuplicates = .keep, depthMax: Int = JSONText.depthMax
    ) throws(JSONError) -> JSONValue {
        let bytes = Array(text.utf8)
        return try read(bytes.span.bytes, duplicates: duplicates, depthMax: depthMax)
    }

    /// Reads the first value of a text as Kafka Connect's JSON deserializer does: in any of JSON's encodings, with numbers
    /// that begin with zeros; of two members with one name the last counts, and nobody looks at what stands behind.
    package static func readFirst(_ text: [UInt8]) throws(JSONError) -> JSONValue {
        let utf8 = JSONText.utf8(text)
        let bytes = utf8.span.bytes
        var cursor = JSONCursor(allowsLeadingZeros: true)
        let value = try read(&cursor, bytes, .last, depth: 0)
        guard cursor.at < bytes.byteCount else { return value }
        // A number ends at white space, a word where a name would.
        let next = cursor.peek(in: bytes)
        let ends =
            switch value {
            case .number, .raw: next == 0x20 || next == 0x09 || next == 0x0A || next == 0x0D
            case .bool, .null:
                !(0x30...0x39 ~= next || 0x61...0x7A ~= next | 0x20 || next == UInt8(ascii: "_")
                    || next == UInt8(ascii: "$") || next >= 0x80)
            default: true
            }
        guard ends else { throw cursor.unexpected("white space behind the value", in: bytes) }
        return value
    }

    /// Reads the value at `cursor` and leaves the cursor behind it.
    package static func read(
        at cursor: inout JSONCursor, in bytes: RawSpan, duplicates: JSONDuplicates = .keep
    ) throws(JSONError) -> JSONValue {
        try read(&cursor, bytes, duplicates, depth: 0)
    }

    private static func read(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ duplicates: JSONDuplicates, depth: Int
    ) throws(JSONError) -> JSONValue {
        switch try cursor.kind(in: bytes) {
        case .string: return .string(JSONCursor.string(try cursor.readString(in: bytes), in: bytes))
        case .number:
            let range = try cursor.readNumber(in: bytes)
            // "-0" is a number that an integer cannot tell from 0.
            if let integer = JSONCursor.int64(range, in: bytes), integer != 0 || range.end - range.start == 1 {
                return .number(integer)
            }
            return .raw(bytes.extracting(range.start..<range.end).withUnsafeBytes { Array($0) })
        case .bool: return .bool(try cursor.readBool(in: bytes))
        case .null:
            try cursor.readNull(in: bytes)
            return .null
        case .object:
            try checkDepth(depth, cursor, bytes)
            return .object(try readMembers(&cursor, bytes, duplicates, depth: depth + 1))
        case .array:
            try checkDepth(depth, cursor, bytes)
            var elements: [JSONValue] = []
            guard try cursor.enterArray(in: bytes) else { return .array(elements) }
            repeat {
                elements.append(try read(&cursor, bytes, duplicates, depth: depth + 1))
            } while try cursor.nextElement(in: bytes)
            return .array(elements)
        }
    }

    private static func checkDepth(_ depth: Int, _ cursor: JSONCursor, _ bytes: RawSpan) throws(JSONError) {
        guard depth < cursor.depthMax else {
            throw JSONError(.tooDeep, "nested more than \(cursor.depthMax) levels deep", at: cursor.at, in: bytes)
        }
    }

    private static func readMembers(
        _ cursor: inout JSONCursor, _ bytes: RawSpan, _ duplicates: JSONDuplicates, depth: Int
    ) throws(JSONError) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        var places: [JSONName: Int] = [:]  // filled once a look at each member would take longer
        guard try cursor.enterObject(in: bytes) else { return members }
        repeat {
            let range = try cursor.readName(in: bytes)
            let name = JSONCursor.string(range, in: bytes)
            let value = try read(&cursor, bytes, duplicates, depth: depth)
            guard duplicates != .keep else {
                members.append((name, value))
                continue
            }
            let place: Int?
            if members.count < 16 {
                place = members.firstIndex { JSONName.isSame($0.0, name) }
            } else {
                if places.isEmpty {
                    for (index, member) in members.enumerated() { places[JSONName(member.0)] = index }
                }
                place = places[JSONName(name)]
                if place == nil { places[JSONName(name)] = members.count }
            }
            if let place {
                guard duplicates == .last else {
                    throw JSONError(.duplicateMember, "a second member \"\(name)\"", at: range.start, in: bytes)
                }
                members[place].1 = value
            } else {
                members.append((name, value))
            }
        } while try cursor.nextMember(in: bytes)
        return members
    }
}
