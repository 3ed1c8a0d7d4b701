internal import Bytes
internal import ConnectCore
internal import SQLTypes

/// Makes Connect values of one column's values: decided once per table, applied to every row.
final class ColumnCodec: Sendable {
    /// What the values are, the same for rows of the log and of snapshots.
    enum Kind: Sendable {
        case boolean
        /// What is true as 1, all else as 0.
        case flag
        case bits(byteCount: Int)
        /// `bits`: of the stored integer; unsigned ones are widened.
        case int16(bits: Int, isUnsigned: Bool)
        case int32(bits: Int, isUnsigned: Bool)
        case int64(bits: Int, isUnsigned: Bool)
        case unsignedDecimal
        case float32
        /// `isSingle`: of a column that stores single precision.
        case float64(isSingle: Bool)
        case decimal(HandlingModes.Decimals, scale: Int)
        case text(Charset.Decoder)
        /// `paddedTo`: bytes of a fixed length.
        case binary(HandlingModes.Bytes, paddedTo: Int)
        /// Members in the snapshot, and as streams write them.
        case enumeration([String], escaped: [String])
        case set([String])
        case json
        case date
        case time
        case dateTime(fractionDigits: Int)
        case timestamp(fractionDigits: Int)
        case year
        case point(ConnectSchema)
        case geometry(ConnectSchema)
        case vector
        case uuid
        case inet(byteCount: Int)
        /// Of PostgreSQL, whose values are texts.
        case postgres(PostgresValue)
        /// Debezium leaves such columns out.
        case unknown
    }

    let kind: Kind
    /// Of the field, with its default.
    let schema: ConnectSchema
    let isOptional: Bool
    let times: HandlingModes.Times
    let name: String

    init(kind: Kind, schema: ConnectSchema, isOptional: Bool, times: HandlingModes.Times, name: String) {
        self.kind = kind
        self.schema = schema
        self.isOptional = isOptional
        self.times = times
        self.name = name
    }

    /// `nil`: a zero date or a time that the mode cannot hold.
    private func missing(_ zero: ConnectValue) -> ConnectValue { isOptional ? .null : zero }

    /// - Parameter isStreaming: rows of the log; they differ from those of snapshots in a few texts.
    /// - Throws: `.data` for a value that the column's type cannot have.
    func value(_ cell: Cell, isStreaming: Bool) throws(ConnectError) -> ConnectValue {
        switch (kind, cell) {
        case (.postgres(let postgres), _):
            return try postgres.value(
                cell, isOptional: isOptional, fallback: schema.defaultValue, isStreaming: isStreaming)
        case (_, .null): return .null
        case (_, .compressed(let bytes)):
            let plain: [UInt8]
            do throws(WireError) { plain = try CompressedCell.plain(bytes) } catch {
                throw .data("The compressed value of column '\(name)' cannot be read: \(error)")
            }
            do { return try plain.withUnsafeBytes { try value(.bytes($0), isStreaming: isStreaming) } } catch {
                throw error as? ConnectError ?? .data("\(error)")
            }
        case (.int64(let bits, let isUnsigned), .integer(let value)):
            return .int64(isUnsigned && bits < 64 ? value & (Int64(1) << Int64(bits) - 1) : value)
        case (.int32(let bits, let isUnsigned), .integer(let value)):
            return .int32(Int32(truncatingIfNeeded: isUnsigned ? value & (Int64(1) << Int64(bits) - 1) : value))
        case (.int16(let bits, let isUnsigned), .integer(let value)):
            return .int16(Int16(truncatingIfNeeded: isUnsigned ? value & (Int64(1) << Int64(bits) - 1) : value))
        case (.boolean, .integer(let value)): return .boolean(value != 0)
        case (.boolean, .bytes(let bytes)): return .boolean(bytes.contains { $0 != 0 })
        case (.flag, .integer(let value)): return .int16(value == 0 ? 0 : 1)
        case (.flag, .bytes(let bytes)): return .int16(bytes.contains { $0 != 0 } ? 1 : 0)
        case (.bits(let byteCount), .bytes(let bytes)):
            var reversed = Array(bytes.reversed())
            while reversed.count < byteCount { reversed.append(0) }
            return .bytes(reversed)
        case (.unsignedDecimal, .integer(let value)):
            let unsigned = UInt64(bitPattern: value)
            if let small = Int64(exactly: unsigned) { return .decimal(SQLDecimal(small)) }
            var bytes: [UInt8] = [0]
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: unsigned >> shift))
            }
            return .decimal(SQLDecimal(bigEndian: bytes, scale: 0))
        case (.float32, .float(let value)): return .float32(value)
        case (.float32, .double(let value)): return .float32(Float(value))
        case (.float64, .float(let value)): return .float64(Double(value))
        case (.float64, .double(let value)): return .float64(value)
        case (.decimal(let mode, let scale), .decimal(let value)): return decimal(value, mode, scale)
        case (.text(let decoder), .bytes(let bytes)):
            return .string(isStreaming ? Charset.text(bytes, decoder) : String(decoding: bytes, as: UTF8.self))
        case (.binary(let mode, let length), .bytes(let bytes)): return Self.binary(bytes, mode, length)
        case (.enumeration(let members, let escaped), .integer(let index)):
            let list = isStreaming ? escaped : members
            // 0: a value that the type does not have.
            return .string(index >= 1 && index <= list.count ? list[Int(index) - 1] : "")
        case (.set(let members), .integer(let mask)):
            return .string(
                members.enumerated().filter { UInt64(bitPattern: mask) >> UInt64($0.offset) & 1 == 1 }
                    .map(\.element).joined(separator: ","))
        case (.enumeration, .bytes(let bytes)), (.set, .bytes(let bytes)):
            return .string(String(decoding: bytes, as: UTF8.self))
        case (.json, .bytes(let bytes)): return .string(String(decoding: bytes, as: UTF8.self))
        case (.json, .json(let bytes)):
            do throws(WireError) { return .string(try JSONBinary.text(bytes)) } catch {
                throw .data("The JSON value of column '\(name)' cannot be read: \(error)")
            }
        case (.date, .date(let year, let month, let day)): return date(year, month, day)
        case (.time, .time(let microseconds)): return time(microseconds)
        case (.dateTime(let digits), .dateTime(let year, let month, let day, let rest)):
            guard month > 0, day > 0 else { return missing(zeroDateTime(digits)) }
            return dateTime(days(year, month, day), rest, digits)
        case (.timestamp(let digits), .timestamp(let seconds, let microseconds)):
            return .string(
                TemporalText.instant(
                    seconds * 1_000_000 + Int64(microseconds), width: isStreaming && digits > 0 ? digits : nil))
        case (.timestamp, .zeroTimestamp): return missing(.string("1970-01-01T00:00:00Z"))
        case (.year, .integer(let value)): return .int32(Int32(truncatingIfNeeded: value))
        case (.point(let schema), .bytes(let bytes)): return geometry(bytes, schema, isPoint: true)
        case (.geometry(let schema), .bytes(let bytes)): return geometry(bytes, schema, isPoint: false)
        case (.vector, .bytes(let bytes)): return Self.vector(bytes)
        case (.uuid, .bytes(let bytes)):
            return .string(isStreaming ? Self.uuid(bytes) : String(decoding: bytes, as: UTF8.self))
        case (.inet(let byteCount), .bytes(let bytes)):
            return .string(isStreaming ? Self.address(bytes, byteCount) : String(decoding: bytes, as: UTF8.self))
        case (.unknown, _): return .null
        default:
            throw .data(
                "The log stores column '\(name)' in another way than its definition says; the schema history does not "
                    + "match the table. Take a new snapshot, or set snapshot.mode=recovery once")
        }
    }

    // MARK: Numbers and bytes

    private func decimal(_ value: SQLDecimal, _ mode: HandlingModes.Decimals, _ scale: Int) -> ConnectValue {
        let scaled = value.scale == scale ? value : value.rescaled(to: scale, rounding: .halfUp)
        return switch mode {
        case .precise: .decimal(scaled)
        case .string: .string(scaled.plainText)
        case .double: .float64(scaled.doubleValue)
        }
    }

    static func binary(
        _ bytes: UnsafeRawBufferPointer, _ mode: HandlingModes.Bytes, _ length: Int
    ) -> ConnectValue {
        var value = Array(bytes)
        while value.count < length { value.append(0) }
        switch mode {
        case .bytes: return .bytes(value)
        case .base64: return .string(Base64.encode(value))
        case .base64URL:
            return .string(Base64.encode(value).replacing("+", with: "-").replacing("/", with: "_"))
        case .hex: return .string(String(decoding: Hexadecimal.encode(value), as: UTF8.self).lowercased())
        }
    }

    private static func vector(_ bytes: UnsafeRawBufferPointer) -> ConnectValue {
        var values: [ConnectValue] = []
        var cursor = ByteCursor(bytes)
        while let bits = try? cursor.integer(4) {
            values.append(.float32(Float(bitPattern: UInt32(truncatingIfNeeded: bits))))
        }
        return .array(values)
    }

    /// MariaDB's log has a UUID's bytes in the order of its text.
    static func uuid(_ stored: UnsafeRawBufferPointer) -> String {
        // CHAR-like storage drops zeros at the end.
        var bytes = Array(stored.prefix(16))
        while bytes.count < 16 { bytes.append(0) }
        return BinlogDecoder.uuid(bytes)
    }

    static func address(_ stored: UnsafeRawBufferPointer, _ byteCount: Int) -> String {
        var bytes = Array(stored.prefix(byteCount))
        while bytes.count < byteCount { bytes.append(0) }
        if byteCount == 4 { return bytes.map(String.init).joined(separator: ".") }
        // Addresses of version 4 in their mapped form keep the dots.
        let words = stride(from: 0, to: 16, by: 2).map { Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]) }
        let tail = bytes[12...15].map(String.init).joined(separator: ".")
        if words[..<5].allSatisfy({ $0 == 0 }), words[5] == 0xFFFF { return "::ffff:" + tail }
        // RFC 5952: the first longest run of two zeros or more is left out.
        var best = 0..<0
        var at = 0
        while at < 8 {
            var end = at
            while end < 8, words[end] == 0 { end += 1 }
            if end - at >= 2, end - at > best.count { best = at..<end }
            at = max(end, at + 1)
        }
        func text(_ words: ArraySlice<Int>) -> String { words.map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty
            ? text(words[...]) : text(words[..<best.lowerBound]) + "::" + text(words[best.upperBound...])
    }

    /// MySQL's form: the reference system in four bytes, then well-known binary.
    private func geometry(_ bytes: UnsafeRawBufferPointer, _ schema: ConnectSchema, isPoint: Bool) -> ConnectValue {
        var cursor = ByteCursor(bytes)
        guard bytes.count >= 9, let system = try? cursor.integer(4) else { return .null }
        let srid: ConnectValue = system == 0 ? .null : .int32(Int32(truncatingIfNeeded: system))
        let shape = ConnectValue.bytes(Array(cursor.rest))
        guard isPoint else { return .structure(ConnectStruct(schema, values: [shape, srid])) }
        guard let order = try? cursor.byte(), (try? cursor.skip(4)) != nil else { return .null }
        func coordinate() -> Double {
            Double(bitPattern: (try? order == 0 ? cursor.bigEndian(8) : cursor.integer(8)) ?? 0)
        }
        let x = coordinate()
        let y = coordinate()
        return .structure(ConnectStruct(schema, values: [.float64(x), .float64(y), shape, srid]))
    }

    // MARK: Dates and times

    private func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        CivilDate(year: year, month: month, day: day).days
    }

    private func date(_ year: Int, _ month: Int, _ day: Int) -> ConnectValue {
        guard month > 0, day > 0 else { return missing(dateValue(0)) }
        return dateValue(days(year, month, day))
    }

    private func dateValue(_ days: Int) -> ConnectValue {
        switch times {
        case .connect: return .instant(Int64(days) * 86_400_000)
        case .isostring:
            var text: [UInt8] = []
            TemporalText.appendDate(days, to: &text)
            text.append(UInt8(ascii: "Z"))
            return .string(String(decoding: text, as: UTF8.self))
        default: return .int32(Int32(truncatingIfNeeded: days))
        }
    }

    private func time(_ microseconds: Int64) -> ConnectValue {
        let isOfDay = 0..<86_400_000_000 ~= microseconds
        switch times {
        case .connect: return isOfDay ? .instant(microseconds / 1000) : .null
        case .isostring:
            guard isOfDay else { return .null }
            var text: [UInt8] = []
            TemporalText.appendTime(microseconds, width: nil, to: &text)
            text.append(UInt8(ascii: "Z"))
            return .string(String(decoding: text, as: UTF8.self))
        case .nanoseconds: return .int64(microseconds &* 1000)
        default: return .int64(microseconds)
        }
    }

    private func zeroDateTime(_ digits: Int) -> ConnectValue { dateTime(0, 0, digits) }

    private func dateTime(_ days: Int, _ microsecondsOfDay: Int64, _ digits: Int) -> ConnectValue {
        let microseconds = Int64(days) * 86_400_000_000 + microsecondsOfDay
        switch times {
        case .connect: return .instant(Int64(floorDiv(Int(microseconds), 1000)))
        case .isostring: return .string(TemporalText.instant(microseconds, width: nil))
        case .microseconds: return .int64(microseconds)
        case .nanoseconds:
            let (value, isOver) = microseconds.multipliedReportingOverflow(by: 1000)
            // 64 bits of nanoseconds reach from 1677 to 2262. Where NULL cannot be, the end that is nearer.
            return isOver ? missing(.int64(microseconds < 0 ? .min : .max)) : .int64(value)
        case .adaptiveTimeMicroseconds:
            return .int64(digits <= 3 ? Int64(floorDiv(Int(microseconds), 1000)) : microseconds)
        }
    }
}
