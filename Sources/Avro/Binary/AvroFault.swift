/// What the inner loops of the decoders throw; it becomes an `AvroError` with the place where it happened.
enum AvroFault: Error {
    case truncated
    case varint
    case length(Int64)
    case blockCount(Int64)
    case boolean(UInt8)
    case branch(Int64, of: Int)
    case symbol(Int64, of: Int)
    case unknownSymbol(Int64, String)
    case integer(Int64)
    case emptyElements
    case impossible(String)
    case tooDeep
    case columnFull

    /// - Parameter offset: bytes from the beginning of the value to where reading stopped.
    func error(at offset: Int) -> AvroError {
        switch self {
        case .truncated: malformed("the data ends inside a value", offset)
        case .varint: malformed("a variable-length integer is longer than 10 bytes", offset)
        case .length(let length): malformed("a length of \(length)", offset)
        case .blockCount(let count): malformed("a block of \(count) elements, more than the data can hold", offset)
        case .boolean(let byte): malformed("a boolean of \(byte)", offset)
        case .branch(let branch, let count): malformed("branch \(branch) of a union of \(count)", offset)
        case .symbol(let symbol, let count): malformed("symbol \(symbol) of an enum of \(count)", offset)
        case .unknownSymbol(let symbol, let name):
            AvroError(
                .unresolvable, "the reader's enum \(name) has neither the writer's symbol \(symbol) nor a default")
        case .integer(let value): malformed("\(value) as an int", offset)
        case .emptyElements:
            AvroError(
                .tooLarge, "more than \(AvroFault.emptyElementsMax) elements and fields that take no bytes in one value"
            )
        case .impossible(let reason): AvroError(.unresolvable, reason)
        case .tooDeep: .tooDeep("the value")
        case .columnFull: AvroError(.tooLarge, "a column cannot hold more than \(Int32.max) bytes or elements")
        }
    }

    /// Values may have no bytes (nulls, records of such), of which a few bytes can announce any number.
    static let emptyElementsMax = 1 << 20

    private func malformed(_ what: String, _ offset: Int) -> AvroError {
        AvroError(.malformed, "\(what) at byte \(offset)")
    }
}
