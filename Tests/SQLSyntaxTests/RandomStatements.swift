import TestKit

@testable import SQLSyntax

extension SeededRandom {
    mutating func roll(_ sides: Int) -> Int { sides > 1 ? Int.random(in: 0..<sides, using: &self) : 0 }
    mutating func one<Element>(of list: [Element]) -> Element { list[roll(list.count)] }
    mutating func coin() -> Bool { roll(2) == 0 }
}

/// Makes statements of all kinds that there are.
struct RandomStatements {
    var random: SeededRandom
    private var scope: [String] = []

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    // MARK: Names and literals

    private static let names = [
        "A", "ID", "KEY", "mixed", "Two words", "it`s", "select", "FROM", "FORM", "x\"y", "É", "1", "1A", "1E3", "_",
        "A@B", "DATE", "ARRAY",
        "EMIT", "PARTITION", "${v}", "DAY", "COUNT", "--", "/*", "'", "STRING", "MAP", "STRUCT", "CASE", "COLUMN",
    ]

    mutating func name() -> Identifier { Identifier(random.one(of: Self.names), isQuoted: true) }

    mutating func sourceName() -> Identifier {
        Identifier(
            random.one(of: ["S", "orders", "A_B", "x-y", "FROM", "EMIT", "ORDER", "TABLES", "1S", "PARTITION"]),
            isQuoted: true)
    }

    mutating func text() -> String {
        random.one(of: ["", "a", "it's", "''", "é漢😀", "--", "/*", ";", "\n", "\\", "%_", "\"", "a\tb"])
    }

    mutating func literal() -> Literal {
        switch random.roll(8) {
        case 0: .null
        case 1: .boolean(random.coin())
        case 2: .integer(random.one(of: [0, 1, -1, .max, .min, Int32(random.roll(1000))]))
        case 3: .bigint(random.one(of: [.max, .min, 1 << 40, -(1 << 40)]))
        case 4: .decimal(random.one(of: ["0.0", "-0.50", "5.", "-7.", "123456789012345678901234567890.000"]))
        case 5: .double(random.one(of: [0, 1, -1.5, 1e300, Double.leastNonzeroMagnitude, 0.1, 123456.789, -1e22]))
        case 6: .variable("v")
        default: .string(text())
        }
    }

    mutating func timeSpan() -> TimeSpan {
        TimeSpan(random.one(of: [0, 1, -1, 30, .max, .min, 1 << 33]), random.one(of: TimeUnit.allCases))
    }

    // MARK: Types

    mutating func type(_ depth: Int) -> TypeExpression {
        switch depth > 0 ? random.roll(6) : random.roll(3) {
        case 0: TypeExpression(.primitive(random.one(of: PrimitiveType.allCases)))
        case 1: TypeExpression(.decimal(precision: Int32(random.roll(40)), scale: Int32(random.roll(10))))
        case 2: customType()
        case 3: TypeExpression(.array(type(depth - 1)))
        case 4: TypeExpression(.map(key: type(depth - 1), value: type(depth - 1)))
        default:
            TypeExpression(.structure((0..<random.roll(4)).map { _ in TypeExpression.Field(name(), type(depth - 1)) }))
        }
    }

    /// A name that no primitive type has.
    private mutating func customType() -> TypeExpression {
        let name = name()
        return TypeExpression(PrimitiveType(name: name.text).map { .primitive($0) } ?? .custom(name))
    }

    // MARK: Expressions

    mutating func expressions(_ depth: Int, atLeast least: Int = 0) -> [Expression] {
        (0..<(least + random.roll(3))).map { _ in expression(depth) }
    }

    mutating func expression(_ depth: Int) -> Expression { Expression(kind(depth - 1)) }

    private mutating func leaf() -> Expression.Kind {
        switch random.roll(4) {
        case 0: return .literal(literal())
        case 1: return .qualifiedColumn(source: name(), column: name())
        default:
            if !scope.isEmpty, random.coin() { return .lambdaParameter(Identifier(random.one(of: scope))) }
            let name = name()
            if scope.contains(name.text) { return .lambdaParameter(name) }
            // Unquoted, `${v}` is a variable; in quotes it is a column of that name.
            return .column(name)
        }
    }

    private mutating func kind(_ depth: Int) -> Expression.Kind {
        guard depth > 0 else { return leaf() }
        switch random.roll(24) {
        case 0: return leaf()
        case 1:
            // A negated number is a negative number.
            let operand = expression(depth)
            if case .literal(let literal) = operand.kind, literal.negated != nil { return .unary(.plus, operand) }
            return .unary(random.coin() ? .minus : .plus, operand)
        case 2, 3:
            let sign = random.one(of: [ArithmeticOperator.add, .subtract, .multiply, .divide, .modulus])
            return .arithmetic(sign, expression(depth), expression(depth))
        case 4:
            let sign = random.one(of: [
                ComparisonOperator.equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .isDistinctFrom,
            ])
            return .comparison(sign, expression(depth), expression(depth))
        case 5: return .logical(random.coin() ? .and : .or, expression(depth), expression(depth))
        case 6: return .not(expression(depth))
        case 7: return .isNull(expression(depth))
        case 8: return .isNotNull(expression(depth))
        case 9: return .between(expression(depth), lower: expression(depth), upper: expression(depth))
        case 10: return .inList(expression(depth), expressions(depth, atLeast: 1))
        case 11:
            let escape: Character? = random.one(of: [nil, "!", "'", "é"])
            return .like(expression(depth), pattern: expression(depth), escape: escape)
        case 12, 13: return call(depth)
        case 14: return .cast(expression(depth), type(3))
        case 15: return .searchedCase(whens(depth), otherwise: random.coin() ? expression(depth) : nil)
        case 16: return .simpleCase(expression(depth), whens(depth), otherwise: random.coin() ? expression(depth) : nil)
        case 17: return .array(expressions(depth))
        case 18:
            return .map((0..<random.roll(3)).map { _ in Expression.MapEntry(expression(depth), expression(depth)) })
        case 19: return .structure((0..<random.roll(3)).map { _ in Expression.StructField(name(), expression(depth)) })
        case 20: return .subscripted(expression(depth), index: expression(depth))
        case 21: return .field(expression(depth), name())
        case 22: return .atTimeZone(expression(depth), text())
        default: return .call(function: Identifier("COUNT"), arguments: [])
        }
    }

    private mutating func whens(_ depth: Int) -> [Expression.When] {
        (0...random.roll(2)).map { _ in Expression.When(expression(depth), expression(depth)) }
    }

    private mutating func call(_ depth: Int) -> Expression.Kind {
        var arguments = expressions(depth)
        if random.roll(3) == 0 { arguments.append(Expression(.timeUnit(random.one(of: TimeUnit.allCases)))) }
        if random.coin() {
            let parameters = (0...random.roll(2)).map { Identifier(["X", "Y", "z"][$0]) }
            scope += parameters.map(\.text)
            arguments.append(Expression(.lambda(parameters: parameters, body: expression(depth))))
            scope.removeLast(parameters.count)
        }
        return .call(function: name(), arguments: arguments)
    }

    // MARK: Queries

    mutating func query(isPersistent: Bool = false) -> Query {
        var query = Query(
            select: (0...random.roll(3)).map { _ in item() },
            from: Relation(source(), joins: (0..<max(0, random.roll(4) - 1)).map { _ in join() }))
        if random.roll(3) == 0 { query.window = window() }
        if random.coin() { query.where = expression(4) }
        if random.roll(3) == 0 { query.groupBy = expressions(3) }
        if random.roll(3) == 0 { query.partitionBy = expressions(3) }
        if random.roll(4) == 0 { query.having = expression(3) }
        if random.roll(4) == 0 {
            query.orderBy = (0...random.roll(2)).map { _ in OrderItem(expression(2), isDescending: random.coin()) }
        }
        query.emit = isPersistent ? (random.coin() ? .changes : .final) : random.one(of: [nil, .changes, .final])
        query.limit = random.one(of: [nil, 0, 5, .max])
        return query
    }

    private mutating func item() -> SelectItem {
        switch random.roll(6) {
        case 0: .all(source: nil, position: Position())
        case 1: .all(source: name(), position: Position())
        case 2: .allFields(Expression(.field(expression(2), name())), position: Position())
        case 3: .single(expression(4), alias: nil)
        default: .single(expression(4), alias: name())
        }
    }

    private mutating func source() -> SourceReference {
        SourceReference(sourceName(), alias: random.coin() ? sourceName() : nil)
    }

    private mutating func join() -> Join {
        let grace = random.roll(3) == 0 ? timeSpan() : nil
        let within = random.coin() ? WithinExpression(before: timeSpan(), after: timeSpan(), grace: grace) : nil
        return Join(random.one(of: [.inner, .left, .right, .full]), source(), within: within, on: expression(3))
    }

    private mutating func window() -> WindowExpression {
        let kind: WindowExpression.Kind =
            switch random.roll(3) {
            case 0: .tumbling(size: timeSpan())
            case 1: .hopping(size: timeSpan(), advance: timeSpan())
            default: .session(gap: timeSpan())
            }
        return WindowExpression(
            kind, name: random.roll(4) == 0 ? Identifier("W") : nil, retention: random.coin() ? timeSpan() : nil,
            grace: random.coin() ? timeSpan() : nil)
    }

    // MARK: Statements

    private mutating func properties() -> Properties {
        let names = ["KAFKA_TOPIC", "FORMAT", "a.b", "KEY", "x y", "lower"].filter { _ in random.roll(3) == 0 }
        return Properties(names.map { Properties.Entry(Identifier($0), literal()) })
    }

    private mutating func elements(_ kind: SourceKind) -> [TableElement] {
        var names: Set<String> = []
        return (0..<random.roll(4)).compactMap { _ in
            let key: TableElement.Constraint = kind == .stream ? .key : .primaryKey
            let constraint: TableElement.Constraint? = random.one(of: [nil, key, .headers, .header(text())])
            let element = TableElement(name(), type(2), constraint)
            return names.insert(element.name.text).inserted ? element : nil
        }
    }

    private mutating func createSource(isAssert: Bool = false) -> CreateSource {
        var create = CreateSource(random.coin() ? .stream : .table, sourceName())
        create.elements = elements(create.kind)
        create.properties = properties()
        guard !isAssert else { return create }
        create.orReplace = random.coin()
        create.ifNotExists = random.coin()
        create.isSource = random.coin()
        return create
    }

    private mutating func insertValues() -> InsertValues {
        InsertValues(sourceName(), columns: (0..<random.roll(4)).map { _ in name() }, values: expressions(3))
    }

    private mutating func target() -> QueryTarget { random.roll(3) == 0 ? .all : .query(name()) }

    /// For the dialect of test scripts.
    mutating func statement() -> Statement {
        switch random.roll(32) {
        case 0...6: return .query(query())
        case 7, 8: return .createSource(createSource())
        case 9, 10:
            var create = CreateSourceAs(random.coin() ? .stream : .table, sourceName(), query(isPersistent: true))
            create.properties = properties()
            create.orReplace = random.coin()
            create.ifNotExists = random.coin()
            return .createSourceAs(create)
        case 11:
            let columns = (0...random.roll(2)).map { _ in AlterSource.Column(name(), type(2)) }
            return .alterSource(AlterSource(random.coin() ? .stream : .table, sourceName(), columns))
        case 12:
            var drop = DropSource(random.coin() ? .stream : .table, sourceName())
            drop.ifExists = random.coin()
            drop.deleteTopic = random.coin()
            return .dropSource(drop)
        case 13:
            var insert = InsertInto(sourceName(), query(isPersistent: true))
            insert.properties = properties()
            return .insertInto(insert)
        case 14: return .insertValues(insertValues())
        case 15:
            var create = CreateType(name(), type(3))
            create.ifNotExists = random.coin()
            return .createType(create)
        case 16: return .dropType(name: name(), ifExists: random.coin())
        case 17: return random.one(of: [.terminate(target()), .pause(target()), .resume(target())])
        case 18:
            var explain = random.coin() ? Explain(.query(name())) : Explain(.statement(statement()))
            explain.isAnalyze = random.coin()
            // ASSERT and RUN SCRIPT of tests are no statements that can be explained, but they parse.
            return .explain(explain)
        case 19:
            let extended = random.coin()
            return .show(
                random.one(of: [
                    .topics(all: random.coin(), extended: extended), .streams(extended: extended),
                    .tables(extended: extended),
                    .queries(extended: extended), .functions, .types, .properties, .variables, .connectors(nil),
                    .connectors(.sink),
                    .connectors(.source), .connectorPlugins,
                ]))
        case 20:
            let extended = random.coin()
            return .describe(
                random.one(of: [
                    .source(sourceName(), extended: extended), .streams(extended: extended),
                    .tables(extended: extended),
                    .function(name()), .connector(name()),
                ]))
        case 21:
            var print = PrintTopic(text())
            print.fromBeginning = random.coin()
            print.interval = random.one(of: [nil, 1, .max])
            print.limit = random.one(of: [nil, 1])
            return .printTopic(print)
        case 22:
            var create = CreateConnector(random.coin() ? .source : .sink, name(), properties())
            create.properties.entries.append(Properties.Entry(Identifier("connector.class"), literal()))
            create.ifNotExists = random.coin()
            return .createConnector(create)
        case 23: return .dropConnector(name: name(), ifExists: random.coin())
        case 24: return .setProperty(name: text(), value: text())
        case 25: return random.coin() ? .unsetProperty(name: text()) : .alterSystemProperty(name: text(), value: text())
        case 26: return random.coin() ? .defineVariable(name: "select", value: text()) : .undefineVariable(name: "aB")
        case 27:
            var assert = AssertTopic(text())
            assert.properties = properties()
            assert.timeout = random.coin() ? timeSpan() : nil
            assert.exists = random.coin()
            return .assertTopic(assert)
        case 28:
            var assert = AssertSchema()
            assert.subject = random.coin() ? text() : nil
            assert.id = random.coin() ? literal() : nil
            assert.timeout = random.coin() ? timeSpan() : nil
            assert.exists = random.coin()
            return .assertSchema(assert)
        case 29: return random.coin() ? .assertValues(insertValues()) : .assertTombstone(insertValues())
        case 30: return .assertSource(createSource(isAssert: true))
        default: return .runScript(text())
        }
    }
}
