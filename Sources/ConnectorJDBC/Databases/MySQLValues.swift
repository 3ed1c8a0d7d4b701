internal import CMariaDB
internal import SQLTypes

/// The values of a statement of MySQL in its binary form, in one run of bytes.
struct MySQLValues {
    private struct Place {
        var type: enum_field_types
        var start: Int
        var count: Int
    }

    private var bytes: [UInt8] = []
    private var places: [Place] = []

    mutating func reserve(_ count: Int) {
        places.reserveCapacity(count)
        bytes.reserveCapacity(count * 12)
    }

    /// About how many bytes a cell takes on its way.
    static func byteCount(_ cell: Cell) -> Int {
        switch cell {
        case .text(let text): text.utf8.count + 9
        case .bytes(let bytes): bytes.count + 9
        case .decimal(let value): value.precision + 16
        default: 32
        }
    }

    /// - Throws: for values that MySQL has no place for.
    mutating func append(_ cell: Cell) throws(SQLFailure) {
        let start = bytes.count
        var type = MYSQL_TYPE_STRING
        switch cell {
        case .null: type = MYSQL_TYPE_NULL
        case .integer(let value):
            type = MYSQL_TYPE_LONGLONG
            append(UInt64(bitPattern: value))
        case .flag(let value):
            type = MYSQL_TYPE_LONGLONG
            append(value ? 1 : 0)
        case .float(let value):
            try check(Double(value))
            // As text: a float widened to a double would compare and print with digits that nobody wrote.
            bytes += "\(value)".utf8
        case .double(let value):
            try check(value)
            type = MYSQL_TYPE_DOUBLE
            append(value.bitPattern)
        case .text(let text): bytes += text.utf8
        case .bytes(let value):
            type = MYSQL_TYPE_BLOB
            bytes += value
        case .decimal(let value):
            type = MYSQL_TYPE_NEWDECIMAL
            bytes += value.description.utf8
        case .date, .time, .moment: cell.appendTime(withEra: false, &bytes)
        case .array: throw SQLFailure(.refused, state: "HY000", "MySQL has no arrays")
        }
        places.append(Place(type: type, start: start, count: bytes.count - start))
    }

    private mutating func append(_ value: UInt64) {
        withUnsafeBytes(of: value) { bytes += $0 }
    }

    private func check(_ value: Double) throws(SQLFailure) {
        guard value.isFinite else {
            throw SQLFailure(.refused, state: "S1009", "'\(value)' is not a valid numeric or approximate numeric value")
        }
    }

    /// Calls `body` with what the library wants, good for the call.
    mutating func withBinds<Result>(_ body: (UnsafeMutableBufferPointer<MYSQL_BIND>) -> Result) -> Result {
        let places = places
        // An address is needed even where all values are empty.
        if bytes.isEmpty { bytes.append(0) }
        return bytes.withUnsafeMutableBytes { buffer in
            var binds = [MYSQL_BIND](repeating: MYSQL_BIND(), count: places.count)
            for (index, place) in places.enumerated() {
                binds[index].buffer_type = place.type
                binds[index].buffer = buffer.baseAddress.map { $0 + min(place.start, buffer.count - 1) }
                binds[index].buffer_length = UInt(place.count)
                // No `length`: the library then takes `buffer_length`.
            }
            return binds.withUnsafeMutableBufferPointer { body($0) }
        }
    }
}
