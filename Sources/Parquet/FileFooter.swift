import Compression

/// `FileMetaData`: schema, row groups, and where their chunks are.
enum FileFooter {
    static func bytes(
        _ schema: ParquetSchema, _ groups: [ParquetWriter.RowGroup], _ codec: Codec,
        _ metadata: [(name: String, value: String)]
    ) -> [UInt8] {
        var elements: [Element] = [Element(name: "schema", childCount: schema.fields.count)]
        for field in schema.fields { Element.append(field, to: &elements) }
        let codecNumber: Int32 =
            switch codec {
            case .snappy: 1
            case .gzip: 2
            case .zstd: 6
            case .none, .lz4: 0
            }
        var writer = ThriftCompact()
        writer.int32(1, 2)
        writer.structures(2, elements) { $1.write(to: &$0) }
        writer.int64(3, groups.reduce(0) { $0 + Int64($1.rowCount) })
        writer.structures(4, Array(groups.enumerated())) { writer, entry in
            let (ordinal, group) = entry
            let chunks = Array(zip(schema.leaves, group.chunks))
            writer.structures(1, chunks) { writer, entry in
                let (leaf, chunk) = entry
                writer.int64(2, 0)
                writer.structure(3) { self.chunk(leaf, chunk, codecNumber, &$0) }
            }
            writer.int64(2, group.chunks.reduce(0) { $0 + Int64($1.plainByteCount) })
            writer.int64(3, Int64(group.rowCount))
            writer.int64(5, Int64(group.chunks.first.map { $0.dictionaryAt ?? $0.dataAt } ?? 0))
            writer.int64(6, group.chunks.reduce(0) { $0 + Int64($1.byteCount) })
            if let ordinal = Int16(exactly: ordinal) { writer.int16(7, ordinal) }
        }
        if !metadata.isEmpty {
            writer.structures(5, metadata) {
                $0.text(1, $1.name)
                $0.text(2, $1.value)
            }
        }
        // The form "application version X (build Y)" is what readers look at to find writers with known errors.
        writer.text(6, "swiftwater version 1.0.0 (build 1)")
        // Limits are compared in the order of the type.
        writer.structures(7, schema.leaves) { writer, _ in writer.structure(1) }
        writer.end()
        return writer.bytes
    }

    private static func chunk(
        _ leaf: ParquetSchema.Leaf, _ chunk: ParquetWriter.Chunk, _ codec: Int32, _ writer: inout ThriftCompact
    ) {
        writer.int32(1, leaf.primitive.number)
        writer.int32s(2, chunk.encodings)
        writer.texts(3, leaf.path)
        writer.int32(4, codec)
        writer.int64(5, Int64(chunk.entryCount))
        writer.int64(6, Int64(chunk.plainByteCount))
        writer.int64(7, Int64(chunk.byteCount))
        writer.int64(9, Int64(chunk.dataAt))
        if let at = chunk.dictionaryAt { writer.int64(11, Int64(at)) }
        writer.structure(12) {
            $0.int64(3, Int64(chunk.nullCount))
            if let limits = chunk.limits {
                $0.binary(5, limits.high)
                $0.binary(6, limits.low)
            }
        }
    }

    /// One element of the schema, which is its tree in preorder.
    private struct Element {
        enum Repetition: Int32 { case required, optional, repeated }

        var name: String
        var repetition: Repetition?
        var primitive: ParquetPrimitive?
        var logical: ParquetLogicalType?
        var childCount: Int?
        /// Of lists and maps: the numbers of `ConvertedType` and of the member of `LogicalType`.
        var annotation: (converted: Int32, logical: Int16)?

        static func append(_ field: ParquetField, to elements: inout [Element]) {
            var element = Element(name: field.name, repetition: field.isOptional ? .optional : .required)
            switch field.kind {
            case .primitive(let primitive, let logical):
                element.primitive = primitive
                element.logical = logical
                elements.append(element)
            case .group(let fields):
                element.childCount = fields.count
                elements.append(element)
                for field in fields { append(field, to: &elements) }
            case .list(var inner):
                element.childCount = 1
                element.annotation = (3, 3)
                elements.append(element)
                elements.append(Element(name: "list", repetition: .repeated, childCount: 1))
                inner.name = "element"
                append(inner, to: &elements)
            case .map(var key, var value):
                element.childCount = 1
                element.annotation = (1, 2)
                elements.append(element)
                elements.append(Element(name: "key_value", repetition: .repeated, childCount: 2))
                key.name = "key"
                key.isOptional = false
                value.name = "value"
                append(key, to: &elements)
                append(value, to: &elements)
            }
        }

        func write(to writer: inout ThriftCompact) {
            if let primitive {
                writer.int32(1, primitive.number)
                if case .fixed(let byteCount) = primitive { writer.int32(2, Int32(byteCount)) }
            }
            if let repetition { writer.int32(3, repetition.rawValue) }
            writer.text(4, name)
            if let childCount { writer.int32(5, Int32(childCount)) }
            if let annotation {
                writer.int32(6, annotation.converted)
                writer.structure(10) { $0.structure(annotation.logical) }
            }
            if let logical { write(logical, to: &writer) }
        }

        private func write(_ logical: ParquetLogicalType, to writer: inout ThriftCompact) {
            func moment(_ number: Int16, _ unit: ParquetLogicalType.Unit, _ writer: inout ThriftCompact) {
                writer.structure(10) {
                    $0.structure(number) {
                        $0.bool(1, true)
                        $0.structure(2) { $0.structure(Int16(unit.rawValue)) }
                    }
                }
            }
            switch logical {
            case .string:
                writer.int32(6, 0)
                writer.structure(10) { $0.structure(1) }
            case .enumeration:
                writer.int32(6, 4)
                writer.structure(10) { $0.structure(4) }
            case .json:
                writer.int32(6, 19)
                writer.structure(10) { $0.structure(12) }
            case .decimal(let precision, let scale):
                writer.int32(6, 5)
                writer.int32(7, Int32(scale))
                writer.int32(8, Int32(precision))
                writer.structure(10) {
                    $0.structure(5) {
                        $0.int32(1, Int32(scale))
                        $0.int32(2, Int32(precision))
                    }
                }
            case .date:
                writer.int32(6, 6)
                writer.structure(10) { $0.structure(6) }
            case .time(let unit):
                if unit != .nanos { writer.int32(6, unit == .millis ? 7 : 8) }
                moment(7, unit, &writer)
            case .timestamp(let unit):
                if unit != .nanos { writer.int32(6, unit == .millis ? 9 : 10) }
                moment(8, unit, &writer)
            case .integer(let bits):
                let converted: Int32 =
                    switch bits {
                    case 8: 15
                    case 16: 16
                    case 32: 17
                    default: 18
                    }
                writer.int32(6, converted)
                writer.structure(10) {
                    $0.structure(10) {
                        $0.int8(1, Int8(bits))
                        $0.bool(2, true)
                    }
                }
            }
        }
    }
}
