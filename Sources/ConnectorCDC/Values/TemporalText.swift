internal import SQLTypes

/// Moments as Java's ISO formatters print them.
enum TemporalText {
    static func append(_ value: Int, _ digits: Int, to text: inout [UInt8]) {
        var divisor = 1
        for _ in 1..<max(1, digits) { divisor *= 10 }
        var rest = value
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / divisor % 10))
            rest %= max(1, divisor)
            divisor /= 10
        }
    }

    static func appendDate(_ days: Int, to text: inout [UInt8]) {
        let date = CivilDate(days: days)
        if date.year < 0 || date.year > 9999 {
            text += date.text.utf8
            return
        }
        append(date.year, 4, to: &text)
        text.append(UInt8(ascii: "-"))
        append(date.month, 2, to: &text)
        text.append(UInt8(ascii: "-"))
        append(date.day, 2, to: &text)
    }

    /// - Parameter width: digits of the fraction; nil for as many as there are without zeros at the end.
    static func appendTime(_ microsecondsOfDay: Int64, width: Int?, to text: inout [UInt8]) {
        let seconds = Int(microsecondsOfDay / 1_000_000)
        append(seconds / 3600, 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(seconds / 60 % 60, 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(seconds % 60, 2, to: &text)
        let fraction = Int(microsecondsOfDay % 1_000_000)
        if let width {
            guard width > 0 else { return }
            var digits: [UInt8] = []
            append(fraction, 6, to: &digits)
            text.append(UInt8(ascii: "."))
            for index in 0..<width { text.append(index < 6 ? digits[index] : UInt8(ascii: "0")) }
        } else if fraction != 0 {
            text.append(UInt8(ascii: "."))
            append(fraction, 6, to: &text)
            while text.last == UInt8(ascii: "0") { text.removeLast() }
        }
    }

    /// `2024-02-29T12:34:56.789Z`
    static func instant(_ microseconds: Int64, width: Int?) -> String {
        let day = Int64(86_400_000_000)
        let days = floorDiv(Int(microseconds), Int(day))
        var text: [UInt8] = []
        text.reserveCapacity(30)
        appendDate(days, to: &text)
        text.append(UInt8(ascii: "T"))
        // Not a difference: the day that the earliest moments are in begins before what an Int64 holds.
        appendTime(Int64(floorMod(Int(microseconds), Int(day))), width: width, to: &text)
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }
}
