import Columns
import JSONFormat
import SQLTypes

/// JSON and JSON_SR objects for whole runs of rows.
final class JSONColumnEncoder: ColumnEncoder {
    private let columns: [SQLField]
    private let names: [[UInt8]]
    private let frame: [UInt8]

    private let tail: [UInt8]

    /// - Parameters:
    ///   - frame: what stands before each text.
    ///   - others: names of members that are null.
    init(columns: [SQLField], frame: [UInt8] = [], others: [String] = []) {
        tail = JSONRowEncoder.tail(others, isFirst: columns.isEmpty)
        self.columns = columns
        self.frame = frame
        names = columns.enumerated().map { index, column in
            var name = index == 0 ? frame + [UInt8(ascii: "{")] : [UInt8(ascii: ",")]
            JSONText.quote(column.name, to: &name)
            name.append(UInt8(ascii: ":"))
            return name
        }
    }

    func encode(_ values: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        var output: [UInt8] = []
        output.reserveCapacity(count * (16 + names.reduce(0) { $0 + $1.count + 8 }))
        var ends: [Int32] = [0]
        ends.reserveCapacity(count + 1)
        for row in 0..<count {
            if present.isValid(row) {
                if columns.isEmpty { output += frame + [UInt8(ascii: "{")] }
                for index in columns.indices {
                    output.append(contentsOf: names[index])
                    append(values[index], row, columns[index].type, to: &output)
                }
                output.append(contentsOf: tail)
            }
            guard let end = Int32(exactly: output.count) else {
                throw FormatError(.serialization, "a batch of more than 2 GiB")
            }
            ends.append(end)
        }
        return BytesColumn(
            runs: Runs(ends: ColumnBuffer(ends)), bytes: ColumnBuffer(output), validity: present)
    }

    @inline(__always)
    private func append(_ column: FormatColumn, _ row: Int, _ type: SQLType, to output: inout [UInt8]) {
        switch column {
        case .int64(let values):
            if let value = values[row] { JSONText.append(value, to: &output) } else { output += null }
        case .int32(let values):
            if let value = values[row] { JSONText.append(Int64(value), to: &output) } else { output += null }
        case .double(let values):
            if let value = values[row] { JSONRowWriter.append(double: value, to: &output) } else { output += null }
        case .boolean(let values):
            if let value = values[row] { output += value ? yes : no } else { output += null }
        case .string(let values):
            let done: Void? = values.withBytes(row) { JSONText.quote(UnsafeRawBufferPointer($0), to: &output) }
            if done == nil { output += null }
        case .bytes: JSONRowWriter.append(column.value(row, type), type, to: &output)
        case .values(let values): JSONRowWriter.append(values[row], type, to: &output)
        }
    }

    private let null = Array("null".utf8)
    private let yes = Array("true".utf8)
    private let no = Array("false".utf8)
}
