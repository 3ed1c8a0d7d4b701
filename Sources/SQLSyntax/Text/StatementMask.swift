/// A text of statements without what connectors are configured with: of CREATE CONNECTOR every property's value but
/// `connector.class` is `'[string]'`, as with the original. Texts that do not parse are masked as well, and rather too much
/// than too little of them: what is not clearly the name of a property is a value.
package struct StatementMask {
    package private(set) var text: String
    /// What was there, without quotes.
    private var values: [String] = []

    private static let mask = "'[string]'"
    /// Shorter values are no secrets, and are found in any sentence.
    private static let valueCountMin = 3

    package init(_ text: String) {
        self.text = text
        guard text.utf8.count >= 20, Self.mayHaveConnectors(text) else { return }
        let pieces = Pieces(Array(text.utf8))
        var walk = Walk(pieces)
        guard walk.masks() else { return }
        self.text = walk.output
        values = Set(walk.values).filter { $0.count >= Self.valueCountMin }.sorted { $0.count > $1.count }
    }

    /// A sentence about the text, without the values.
    package func hiding(_ sentence: String) -> String {
        values.reduce(sentence) { $0.replacing($1, with: "[string]") }
    }

    /// Most texts have no such word.
    private static func mayHaveConnectors(_ text: String) -> Bool {
        let words = text.lowercased()
        return words.contains("sink") || words.contains("source")
    }

    /// The text in pieces, as far as values matter.
    private struct Pieces {
        enum Kind { case space, comment, literal, quoted, word, mark }
        struct Piece {
            var kind: Kind
            var range: Range<Int>
        }

        let bytes: [UInt8]
        private(set) var all: [Piece] = []

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            var at = 0
            while at < bytes.count {
                let (kind, end) = piece(at)
                all.append(Piece(kind: kind, range: at..<end))
                at = end
            }
        }

        private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        private static func isQuote(_ byte: UInt8) -> Bool { byte == 0x27 || byte == 0x22 || byte == 0x60 }
        private static func isMark(_ byte: UInt8) -> Bool { "(),=;".utf8.contains(byte) }

        private func begins(_ text: StaticString, _ at: Int) -> Bool {
            text.withUTF8Buffer { bytes[at...].starts(with: $0) }
        }

        private func piece(_ start: Int) -> (Kind, end: Int) {
            let first = bytes[start]
            var end = start + 1
            if Self.isSpace(first) {
                while end < bytes.count, Self.isSpace(bytes[end]) { end += 1 }
                return (.space, end)
            }
            if begins("--", start) {
                while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
                return (.comment, end)
            }
            if begins("/*", start) {
                end = start + 2
                while end < bytes.count, !begins("*/", end) { end += 1 }
                return (.comment, min(end + 2, bytes.count))
            }
            if Self.isQuote(first) {
                while end < bytes.count {
                    if bytes[end] == first {
                        // Two of them are one inside.
                        guard end + 1 < bytes.count, bytes[end + 1] == first else { break }
                        end += 1
                    }
                    end += 1
                }
                return (first == 0x27 ? .literal : .quoted, min(end + 1, bytes.count))
            }
            if Self.isMark(first) { return (.mark, end) }
            while end < bytes.count, !Self.isSpace(bytes[end]), !Self.isQuote(bytes[end]), !Self.isMark(bytes[end]) {
                end += 1
            }
            return (.word, end)
        }

        func text(_ piece: Piece) -> String { String(decoding: bytes[piece.range], as: UTF8.self) }

        func bare(_ piece: Piece) -> String {
            guard piece.kind == .literal || piece.kind == .quoted else { return text(piece) }
            var range = piece.range.dropFirst()
            if let last = range.last, bytes[last] == bytes[piece.range.lowerBound] { range = range.dropLast() }
            return String(decoding: bytes[range], as: UTF8.self)
        }

        /// The places of the next pieces that mean something.
        func next(_ count: Int, from index: Int) -> [Int] {
            var found: [Int] = []
            var at = index
            while at < all.count, found.count < count {
                if all[at].kind != .space, all[at].kind != .comment { found.append(at) }
                at += 1
            }
            return found
        }
    }

    private struct Walk {
        let pieces: Pieces
        var output = ""
        var values: [String] = []
        private var isInside = false
        private var hasList = false
        private var depth = 0
        private var isClosed = false
        /// Whether a name may come: at the beginning of a list and behind a comma.
        private var takesName = false
        private var isBehindEquals = false
        private var name = ""

        init(_ pieces: Pieces) { self.pieces = pieces }

        /// - Returns: whether there was anything to mask.
        mutating func masks() -> Bool {
            for index in pieces.all.indices {
                let piece = pieces.all[index]
                if !isInside {
                    output += pieces.text(piece)
                    if piece.kind == .word, beginsConnector(index) { enter() }
                    continue
                }
                switch piece.kind {
                case .space: output += pieces.text(piece)
                case .comment: output += " "
                case .mark: mark(pieces.text(piece))
                case .literal, .quoted, .word: term(index)
                }
            }
            return !values.isEmpty
        }

        /// Whether SOURCE or SINK of CREATE CONNECTOR is there, with one of the words beside it misspelt or not.
        private func beginsConnector(_ index: Int) -> Bool {
            let word = pieces.text(pieces.all[index]).uppercased()
            let next = pieces.next(1, from: index + 1).first.map { pieces.text(pieces.all[$0]).uppercased() }
            if word == "SOURCE" || word == "SINK" { return next == "CONNECTOR" }
            guard word == "CREATE", next == "SOURCE" || next == "SINK" else { return false }
            let third = pieces.next(2, from: index + 1).last.map { pieces.text(pieces.all[$0]).uppercased() }
            return third != "STREAM" && third != "TABLE" && third != next
        }

        private mutating func enter() {
            (isInside, hasList, isClosed, takesName, isBehindEquals) = (true, false, false, false, false)
            depth = 0
        }

        private mutating func mark(_ text: String) {
            output += text
            isBehindEquals = text == "="
            takesName = text == "(" || text == ","
            switch text {
            case "(":
                depth += 1
                hasList = true
            case ")":
                depth -= 1
                isClosed = depth <= 0
            // Inside of a list it may be a part of a value whose quotes are wrong.
            case ";": isInside = !isClosed
            default: break
            }
        }

        private mutating func term(_ index: Int) {
            let piece = pieces.all[index]
            defer { (takesName, isBehindEquals) = (false, false) }
            let isNamed = pieces.next(1, from: index + 1).first.map { pieces.text(pieces.all[$0]) == "=" } ?? false
            if takesName, isNamed {
                name = pieces.bare(piece).lowercased()
                output += pieces.text(piece)
            } else if isBehindEquals, name == "connector.class" {
                name = ""
                output += pieces.text(piece)
            } else if hasList || isBehindEquals || piece.kind == .literal {
                values.append(pieces.bare(piece))
                output += StatementMask.mask
            } else {
                output += pieces.text(piece)
            }
        }
    }
}
