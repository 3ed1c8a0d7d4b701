/// How values of one schema become bytes, worked out once for the schema: nothing is looked up, and no tree is built.
///
/// A program knows what rows and events are made of and leaves the rest to its converter, which may know a way or refuses
/// in its own words. What it does write is what the converter would.
package protocol ValueProgram: AnyObject, Sendable {
    /// Appends a value.
    ///
    /// - Returns: false for a value that this does not know; a part of it may have been appended then.
    /// - Throws: `.data` for a logical value that is none.
    func write(_ value: ConnectValue, to output: inout [UInt8]) throws(ConnectError) -> Bool

    /// `write` of the string that is these bytes, which are UTF-8.
    func write(utf8 text: UnsafeRawBufferPointer, to output: inout [UInt8]) -> Bool

    /// A struct in pieces; nil for everything else, and where its fields are not written in the schema's order.
    var pieces: StructPieces? { get }
}

/// A struct of which all is written but the values of its fields.
package struct StructPieces: Sendable {
    package struct Field: Sendable {
        /// What stands before the field's value.
        package var lead: [UInt8]
        package var program: any ValueProgram
    }

    /// Parallel to the schema's fields.
    package var fields: [Field]
    /// What stands behind the last value.
    package var end: [UInt8]
}

/// How values of one schema become keys or values of one topic's records: `head`, what the program writes, `end`.
package struct PayloadWriting: Sendable {
    package var head: [UInt8]
    package var program: any ValueProgram
    package var end: [UInt8]

    package init(head: [UInt8], program: any ValueProgram, end: [UInt8]) {
        self.head = head
        self.program = program
        self.end = end
    }
}
