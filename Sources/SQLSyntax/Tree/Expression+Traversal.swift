extension Expression {
    /// What it is made of, in the order of the text.
    package var children: [Expression] {
        switch kind {
        case .literal, .column, .qualifiedColumn, .lambdaParameter, .timeUnit: return []
        case .unary(_, let value), .not(let value), .isNull(let value), .isNotNull(let value), .cast(let value, _),
            .field(let value, _), .atTimeZone(let value, _), .lambda(_, let value):
            return [value]
        case .arithmetic(_, let left, let right), .comparison(_, let left, let right), .logical(_, let left, let right),
            .subscripted(let left, let right), .like(let left, let right, _):
            return [left, right]
        case .between(let value, let lower, let upper): return [value, lower, upper]
        case .inList(let value, let list): return [value] + list
        case .call(_, let arguments): return arguments
        case .searchedCase(let whens, let otherwise):
            return whens.flatMap { [$0.condition, $0.result] } + (otherwise.map { [$0] } ?? [])
        case .simpleCase(let operand, let whens, let otherwise):
            return [operand] + whens.flatMap { [$0.condition, $0.result] } + (otherwise.map { [$0] } ?? [])
        case .array(let elements): return elements
        case .map(let entries): return entries.flatMap { [$0.key, $0.value] }
        case .structure(let fields): return fields.map(\.value)
        }
    }

    /// Calls `body` for it and for all that it is made of, outer expressions first.
    package func forEach(_ body: (Expression) throws -> Void) rethrows {
        try body(self)
        for child in children { try child.forEach(body) }
    }

    /// A copy in which expressions are replaced: where `replacement` returns nil, the parts are looked at.
    package func rewritten(_ replacement: (Expression) throws -> Expression?) rethrows -> Expression {
        if let other = try replacement(self) { return other }
        func part(_ expression: Expression) throws -> Expression { try expression.rewritten(replacement) }
        func parts(_ whens: [When]) throws -> [When] {
            try whens.map { When(try part($0.condition), try part($0.result)) }
        }
        let kind: Kind =
            switch kind {
            case .literal, .column, .qualifiedColumn, .lambdaParameter, .timeUnit: kind
            case .unary(let sign, let value): .unary(sign, try part(value))
            case .arithmetic(let sign, let left, let right): .arithmetic(sign, try part(left), try part(right))
            case .comparison(let sign, let left, let right): .comparison(sign, try part(left), try part(right))
            case .logical(let sign, let left, let right): .logical(sign, try part(left), try part(right))
            case .not(let value): .not(try part(value))
            case .isNull(let value): .isNull(try part(value))
            case .isNotNull(let value): .isNotNull(try part(value))
            case .between(let value, let lower, let upper):
                .between(try part(value), lower: try part(lower), upper: try part(upper))
            case .inList(let value, let list): .inList(try part(value), try list.map(part))
            case .like(let value, let pattern, let escape):
                .like(try part(value), pattern: try part(pattern), escape: escape)
            case .call(let function, let arguments): .call(function: function, arguments: try arguments.map(part))
            case .lambda(let parameters, let body): .lambda(parameters: parameters, body: try part(body))
            case .cast(let value, let type): .cast(try part(value), type)
            case .searchedCase(let whens, let otherwise):
                .searchedCase(try parts(whens), otherwise: try otherwise.map(part))
            case .simpleCase(let operand, let whens, let otherwise):
                .simpleCase(try part(operand), try parts(whens), otherwise: try otherwise.map(part))
            case .array(let elements): .array(try elements.map(part))
            case .map(let entries): .map(try entries.map { MapEntry(try part($0.key), try part($0.value)) })
            case .structure(let fields): .structure(try fields.map { StructField($0.name, try part($0.value)) })
            case .subscripted(let base, let index): .subscripted(try part(base), index: try part(index))
            case .field(let base, let name): .field(try part(base), name)
            case .atTimeZone(let value, let zone): .atTimeZone(try part(value), zone)
            }
        return Expression(kind, position: position)
    }
}
