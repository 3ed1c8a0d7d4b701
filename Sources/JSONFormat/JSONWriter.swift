/// Writes JSON piece by piece into a buffer, for places that should not build a `JSONValue` first.
///
/// Commas and quotes are its business; that names and values alternate in objects, and that brackets match, is the
/// caller's.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.name("stars")
///     writer.integer(5)
///     writer.endObject()
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init(byteCapacity: Int = 0) { bytes.reserveCapacity(byteCapacity) }

    /// Forgets what was written and keeps the memory.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// The name of the next member.
    package mutating func name(_ text: String) {
        string(text)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func string(_ text: String) {
        beginValue()
        JSONText.quote(text, to: &bytes)
    }

    /// `text` is UTF-8.
    package mutating func string(utf8 text: UnsafeRawBufferPointer) {
        beginValue()
        JSONText.quote(text, to: &bytes)
    }

    package mutating func integer(_ value: Int64) {
        beginValue()
        JSONText.append(value, to: &bytes)
    }

    /// The shortest text that reads as the same double; JSON has no infinities and no NaN, which become null.
    package mutating func double(_ value: Double) {
        beginValue()
        bytes += (value.isFinite ? value.description : "null").utf8
    }

    package mutating func bool(_ value: Bool) {
        beginValue()
        bytes += (value ? "true" : "false").utf8
    }

    package mutating func null() {
        beginValue()
        bytes += "null".utf8
    }

    /// A value that is JSON text already.
    package mutating func raw(_ text: some Collection<UInt8>) {
        beginValue()
        bytes += text
    }

    package mutating func value(_ value: JSONValue) {
        beginValue()
        value.write(to: &bytes, indent: nil)
    }

    private mutating func beginValue() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        beginValue()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }
}
