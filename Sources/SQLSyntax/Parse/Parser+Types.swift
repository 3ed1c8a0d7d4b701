extension Parser {
    /// A type; sets `height`.
    mutating func type() throws(SQLSyntaxError) -> TypeExpression {
        try enter()
        defer { leave() }
        let position = position
        var type = TypeExpression(try baseType(), position: position)
        while accept(.array) {
            try raise(above: height)
            type = TypeExpression(.array(type), position: position)
        }
        return type
    }

    private mutating func baseType() throws(SQLSyntaxError) -> TypeExpression.Kind {
        switch (kind, kind(after: 1)) {
        case (.array, .less):
            advance()
            advance()
            let element = try type()
            try expect(.greater)
            try raise(above: height)
            return .array(element)
        case (.map, .less):
            advance()
            advance()
            let key = try type()
            let keyHeight = height
            try expect(.comma)
            let value = try type()
            try expect(.greater)
            try raise(above: max(keyHeight, height))
            return .map(key: key, value: value)
        case (.struct, .notEqual):
            advance()
            advance()
            height = 1
            return .structure([])
        case (.struct, .less):
            advance()
            advance()
            return .structure(try structFields())
        case (.decimal, _):
            advance()
            return try decimal()
        default: return try namedType()
        }
    }

    private mutating func structFields() throws(SQLSyntaxError) -> [TypeExpression.Field] {
        var fields: [TypeExpression.Field] = []
        var heights = 0
        if accept(.greater) {
            height = 1
            return fields
        }
        repeat {
            let name = try identifier()
            fields.append(TypeExpression.Field(name, try type()))
            heights = max(heights, height)
        } while accept(.comma)
        try expect(.greater)
        try raise(above: heights)
        return fields
    }

    /// Precision and scale behind the name.
    private mutating func decimal() throws(SQLSyntaxError) -> TypeExpression.Kind {
        try expect(.leftParenthesis)
        let precision = try typeNumber("PRECISION")
        try expect(.comma)
        let scale = try typeNumber("SCALE")
        try expect(.rightParenthesis)
        height = 1
        return .decimal(precision: precision, scale: scale)
    }

    private mutating func typeNumber(_ what: String) throws(SQLSyntaxError) -> Int32 {
        let token = token
        guard case .integer(let value) = try number() else {
            throw invalid("Failed to prepare statement: Value must be integer for command: DECIMAL(\(what))", at: token)
        }
        return value
    }

    /// A primitive or custom type. Parameters such as a length mean nothing, but for those of DEC.
    private mutating func namedType() throws(SQLSyntaxError) -> TypeExpression.Kind {
        let name = try identifier()
        if name.text == "DEC", kind == .leftParenthesis, kind(after: 2) == .comma { return try decimal() }
        if accept(.leftParenthesis) {
            repeat {
                guard accept(.string) || accept(.integerValue) else { throw failure() }
            } while accept(.comma)
            try expect(.rightParenthesis)
        }
        height = 1
        return PrimitiveType(name: name.text).map { .primitive($0) } ?? .custom(name)
    }

    // MARK: Columns

    /// `(name type constraint, ...)`.
    mutating func tableElements(of kind: SourceKind) throws(SQLSyntaxError) -> [TableElement] {
        guard accept(.leftParenthesis) else { return [] }
        let start = token
        let elements = try tableElementList(of: kind)
        try expect(.rightParenthesis)
        var seen: Set<String> = []
        var repeated: [String] = []
        for name in elements.map(\.name.text) where !seen.insert(name).inserted && !repeated.contains(name) {
            repeated.append(name)
        }
        guard repeated.isEmpty else {
            let names = repeated.map(Identifier.quote).joined(separator: ", ")
            throw invalid("Failed to prepare statement: Duplicate column names: \(names)", at: start)
        }
        return elements
    }

    /// - Parameter kind: nil where both kinds of key may occur.
    mutating func tableElementList(of kind: SourceKind?) throws(SQLSyntaxError) -> [TableElement] {
        var elements: [TableElement] = []
        repeat {
            let token = token
            let name = try identifier()
            let type = try type()
            let constraint = try columnConstraint()
            if let constraint { try check(constraint, of: name, at: token, in: kind) }
            elements.append(TableElement(name, type, constraint))
        } while accept(.comma)
        return elements
    }

    private mutating func columnConstraint() throws(SQLSyntaxError) -> TableElement.Constraint? {
        if try accept(.primary, .key) { return .primaryKey }
        if accept(.key) { return .key }
        if accept(.headers) { return .headers }
        guard try accept(.header, .leftParenthesis) else { return nil }
        let key = try string()
        try expect(.rightParenthesis)
        return .header(key)
    }

    private func check(
        _ constraint: TableElement.Constraint, of name: Identifier, at token: Token, in kind: SourceKind?
    ) throws(SQLSyntaxError) {
        let column = Identifier.quote(name.text)
        let wrong: String
        switch (constraint, kind) {
        case (.key, .table): wrong = "Column \(column) is a 'KEY' column: please use 'PRIMARY KEY' for tables."
        case (.primaryKey, .stream): wrong = "Column \(column) is a 'PRIMARY KEY' column: please use 'KEY' for streams."
        default: return
        }
        throw invalid(
            "\(token.position): \(wrong)\nTables have PRIMARY KEYs, which are unique and NON NULL.\n"
                + "Streams have KEYs, which have no uniqueness or NON NULL constraints.", at: token)
    }
}
