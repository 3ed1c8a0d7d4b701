internal import Bytes
internal import SQLTypes

/// Values in PostgreSQL's text form, as elements of arrays: a column of rows goes to the server as one of them.
enum PostgreSQLText {
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    static func appendArray(_ cells: some Sequence<Cell>, _ output: inout [UInt8]) {
        appendArray(cells, &output) { appendElement($0, &$1) }
    }

    private static func appendArray(
        _ cells: some Sequence<Cell>, _ output: inout [UInt8], _ append: (Cell, inout [UInt8]) -> Void
    ) {
        output.append(UInt8(ascii: "{"))
        var isFirst = true
        for cell in cells {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            append(cell, &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    /// A value that is an array: those inside of it are further dimensions of the same one.
    private static func appendValue(_ cells: [Cell], _ output: inout [UInt8]) {
        appendArray(cells, &output) { cell, output in
            if case .array(let inner) = cell { appendValue(inner, &output) } else { appendElement(cell, &output) }
        }
    }

    static func appendElement(_ cell: Cell, _ output: inout [UInt8]) {
        switch cell {
        case .null: output += "NULL".utf8
        case .text(let text):
            output.append(quote)
            var text = text
            text.withUTF8 { escape($0, &output) }
            output.append(quote)
        case .bytes(let bytes):
            output.append(quote)
            output.append(backslash)
            output.append(backslash)
            output.append(UInt8(ascii: "x"))
            for byte in bytes { Hexadecimal.append(byte, to: &output) }
            output.append(quote)
        case .date, .time, .moment:
            output.append(quote)
            append(cell, &output)
            output.append(quote)
        case .array(let cells):
            // An array in a text: quoted once more.
            var inner: [UInt8] = []
            appendValue(cells, &inner)
            output.append(quote)
            inner.withUnsafeBufferPointer { escape($0, &output) }
            output.append(quote)
        default: append(cell, &output)
        }
    }

    /// Without zero bytes, which PostgreSQL has in no text: they are left out, as the original does.
    private static func escape(_ bytes: UnsafeBufferPointer<UInt8>, _ output: inout [UInt8]) {
        guard bytes.contains(where: { $0 == quote || $0 == backslash || $0 == 0 }) else {
            output.append(contentsOf: bytes)
            return
        }
        for byte in bytes where byte != 0 {
            if byte == quote || byte == backslash { output.append(backslash) }
            output.append(byte)
        }
    }

    /// A value on its own.
    static func append(_ cell: Cell, _ output: inout [UInt8]) {
        switch cell {
        case .null: break
        case .integer(let value): CellText.append(value, &output)
        case .float(let value): append(Double(value), "\(value)", &output)
        case .double(let value): append(value, "\(value)", &output)
        case .flag(let value): output.append(value ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case .text(let text): output += text.utf8.lazy.filter { $0 != 0 }
        case .bytes(let bytes):
            output += "\\x".utf8
            for byte in bytes { Hexadecimal.append(byte, to: &output) }
        case .decimal(let value): output += value.description.utf8
        case .date, .time, .moment: cell.appendTime(withEra: true, &output)
        case .array(let cells): appendValue(cells, &output)
        }
    }

    private static func append(_ value: Double, _ text: String, _ output: inout [UInt8]) {
        if value.isNaN {
            output += "NaN".utf8
        } else if value.isInfinite {
            output += (value < 0 ? "-Infinity" : "Infinity").utf8
        } else {
            output += text.utf8
        }
    }
}
