import Columns

/// Where the values of a vector lie, for loops that walk over the columns of a batch row by row: copying a `Vector` for
/// each value would cost more than the value. Valid as long as the vector is.
struct VectorView: BitwiseCopyable {
    enum Kind: UInt8 {
        case boolean, int32, int64, double
        /// Strings and byte strings.
        case run
        /// Of `SQLValue`s: to be asked of the vector itself.
        case boxed
    }

    let kind: Kind
    private let values: UnsafeRawPointer?
    private let bytes: UnsafeRawPointer?
    private let validity: UnsafePointer<UInt64>?

    init(_ vector: Vector) {
        switch vector {
        case .boolean(let column): self.init(.boolean, column)
        case .int32(let column): self.init(.int32, column)
        case .int64(let column): self.init(.int64, column)
        case .double(let column): self.init(.double, column)
        case .string(let column), .bytes(let column):
            self.init(
                .run, column.runs.ends.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) },
                column.bytes.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }, column.validity)
        case .values, .constant: self.init(.boxed, nil, nil, .all)
        }
    }

    private init<Element>(_ kind: Kind, _ column: FixedColumn<Element>) {
        self.init(
            kind, column.values.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }, nil, column.validity)
    }

    private init(_ kind: Kind, _ values: UnsafeRawPointer?, _ bytes: UnsafeRawPointer?, _ validity: Validity) {
        self.kind = kind
        self.values = values
        self.bytes = bytes
        self.validity = validity.words?.withUnsafeBufferPointer { $0.baseAddress }
    }

    @inline(__always)
    func isValid(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity[row &>> 6] & (1 &<< UInt64(row & 63)) != 0
    }

    /// Of a row that the vector has.
    @inline(__always)
    func value<Element: BitwiseCopyable>(_ row: Int, _: Element.Type) -> Element {
        values.unsafelyUnwrapped.load(fromByteOffset: row &* MemoryLayout<Element>.stride, as: Element.self)
    }

    /// The bytes of a row of a `run`.
    @inline(__always)
    func run(_ row: Int) -> UnsafeRawBufferPointer {
        let start = Int(value(row, Int32.self))
        return UnsafeRawBufferPointer(
            start: bytes.map { $0 + start }, count: Int(value(row &+ 1, Int32.self)) &- start)
    }
}

/// The columns of some rows, for loops that take them row by row. Keeps them alive.
struct RowColumns {
    let vectors: [Vector]
    private let views: [VectorView]

    init(_ vectors: some Sequence<Vector>) {
        self.vectors = Array(vectors)
        views = self.vectors.map { VectorView($0) }
    }

    static var none: RowColumns { RowColumns([]) }

    @inline(__always)
    func withViews<Result>(_ body: (UnsafeBufferPointer<VectorView>) -> Result) -> Result {
        let result = views.withUnsafeBufferPointer(body)
        withExtendedLifetime(vectors) {}
        return result
    }
}
