internal import Bytes
internal import ConnectCore
internal import SQLTypes

/// Values as the server's text protocol has them, in UTF-8.
enum TextCell {
    /// - Throws: `.data` for a text that the column's type cannot have.
    static func cell(_ bytes: UnsafeRawBufferPointer, _ codec: ColumnCodec) throws(ConnectError) -> Cell {
        switch codec.kind {
        case .int16, .int32, .int64, .unsignedDecimal, .year:
            if let value = integer(bytes) { return .integer(value) }
        case .boolean, .flag:
            // BIT comes as a byte, BOOLEAN as digits.
            if bytes.count == 1, bytes[0] <= 1 { return .bytes(bytes) }
            if let value = integer(bytes) { return .integer(value) }
            return .bytes(bytes)
        case .float32:
            if let value = Float(String(decoding: bytes, as: UTF8.self)) { return .float(value) }
        case .float64(isSingle: true):
            if let value = Float(String(decoding: bytes, as: UTF8.self)) { return .float(value) }
        case .float64:
            if let value = Double(String(decoding: bytes, as: UTF8.self)) { return .double(value) }
        case .decimal:
            if let value = decimal(bytes) { return .decimal(value) }
        case .date, .time, .dateTime, .timestamp:
            if let cell = temporal(bytes, codec.kind) { return cell }
        default: return .bytes(bytes)
        }
        throw .data(
            "The value '\(String(decoding: bytes.prefix(100), as: UTF8.self))' of column '\(codec.name)' does not fit "
                + "its type")
    }

    static func integer(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        var at = 0
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative { at = 1 }
        guard at < bytes.count, bytes.count - at <= 20 else { return nil }
        var value: UInt64 = 0
        while at < bytes.count {
            let digit = bytes[at] &- 0x30
            guard digit <= 9 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !carry else { return nil }
            value = sum
            at &+= 1
        }
        return isNegative ? Int64(bitPattern: 0 &- value) : Int64(bitPattern: value)
    }

    private static func decimal(_ bytes: UnsafeRawBufferPointer) -> SQLDecimal? {
        var at = 0
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative { at = 1 }
        guard bytes.count - at <= 19 else { return SQLDecimal(utf8: Array(bytes)) }
        var value: Int64 = 0
        var scale = 0
        var hasPoint = false
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else if 0x30...0x39 ~= byte {
                value = value &* 10 &+ Int64(byte - 0x30)
                if hasPoint { scale += 1 }
            } else {
                return nil
            }
            at += 1
        }
        // 18 digits and the point at most, or 19 digits without one.
        if !hasPoint, bytes.count - (isNegative ? 1 : 0) > 18 { return SQLDecimal(utf8: Array(bytes)) }
        return SQLDecimal(unscaled: isNegative ? -value : value, scale: scale)
    }

    static func zero(_ kind: ColumnCodec.Kind) -> Cell {
        switch kind {
        case .date: .date(year: 0, month: 0, day: 0)
        case .time: .time(0)
        case .timestamp: .zeroTimestamp
        default: .dateTime(year: 0, month: 0, day: 0, microsecondsOfDay: 0)
        }
    }

    /// `2024-02-29`, `-12:34:56.5`, `2024-02-29 12:34:56.789`; a timestamp is in UTC.
    static func temporal(_ bytes: UnsafeRawBufferPointer, _ kind: ColumnCodec.Kind) -> Cell? {
        var at = 0
        func number() -> Int? {
            let start = at
            var value = 0
            while at < bytes.count, 0x30...0x39 ~= bytes[at], at - start < 9 {
                value = value * 10 + Int(bytes[at] - 0x30)
                at += 1
            }
            return at > start ? value : nil
        }
        func take(_ byte: UInt8) -> Bool {
            guard at < bytes.count, bytes[at] == byte else { return false }
            at += 1
            return true
        }
        func fraction() -> Int? {
            guard take(UInt8(ascii: ".")) else { return 0 }
            let start = at
            guard var value = number() ?? (at == bytes.count ? 0 : nil) else { return nil }
            for _ in 0..<max(0, 6 - (at - start)) { value *= 10 }
            for _ in 0..<max(0, at - start - 6) { value /= 10 }
            return value
        }
        func clock() -> Int64? {
            guard let hours = number(), take(UInt8(ascii: ":")), let minutes = number() else { return nil }
            var seconds = 0
            if take(UInt8(ascii: ":")) {
                guard let value = number() else { return nil }
                seconds = value
            }
            guard let fraction = fraction(), minutes < 60, seconds < 60 else { return nil }
            return Int64(hours * 3600 + minutes * 60 + seconds) * 1_000_000 + Int64(fraction)
        }
        if case .time = kind {
            let isNegative = take(UInt8(ascii: "-"))
            guard let value = clock(), at == bytes.count else { return nil }
            return .time(isNegative ? -value : value)
        }
        let dash = UInt8(ascii: "-")
        guard let year = number(), take(dash), let month = number(), take(dash), let day = number(), month <= 12,
            day <= 31
        else { return nil }
        var rest: Int64 = 0
        if take(UInt8(ascii: " ")) || take(UInt8(ascii: "T")) {
            guard let value = clock() else { return nil }
            rest = value
        }
        guard at == bytes.count else { return nil }
        switch kind {
        case .date: return .date(year: year, month: month, day: day)
        case .timestamp:
            guard month > 0, day > 0 else { return .zeroTimestamp }
            let days = Int64(CivilDate(year: year, month: month, day: day).days)
            return .timestamp(seconds: days * 86_400 + rest / 1_000_000, microseconds: Int(rest % 1_000_000))
        default: return .dateTime(year: year, month: month, day: day, microsecondsOfDay: rest)
        }
    }
}
