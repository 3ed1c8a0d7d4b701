import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

private let sources = """
    CREATE STREAM S (ID INT KEY, V INT, A ARRAY<INT>) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
    CREATE STREAM R AS SELECT ID, V FROM S;
    """

private let disabledSources = "Cannot execute command because source table materialization is disabled."
private let disabledLambdas = "Exception while preparing statement: Lambdas are not enabled at this time."

/// Features that a server may be told not to offer: each says so when it is switched off, and is there when it is not.
@Suite struct FeatureFlagTests {
    @Test(arguments: [
        (
            "ksql.suppress.enabled",
            "CREATE TABLE T AS SELECT ID, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY ID EMIT FINAL;",
            "Suppression is currently disabled. You can enable it by setting ksql.suppress.enabled to true"
        ),
        (
            "ksql.lambdas.enabled", "CREATE STREAM T AS SELECT ID, TRANSFORM(A, X => X + 1) AS B FROM S;",
            disabledLambdas
        ),
        (
            "ksql.lambdas.enabled", "INSERT INTO R SELECT ID, REDUCE(A, 0, (N, X) => N + X) AS V FROM S;",
            disabledLambdas
        ),
        (
            "ksql.headers.columns.enabled",
            "CREATE STREAM T (ID INT KEY, H BYTES HEADER('h')) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');",
            "Cannot create STREAM because schema with headers columns is disabled."
        ),
        (
            "ksql.headers.columns.enabled",
            """
            CREATE TABLE T (ID INT PRIMARY KEY, H ARRAY<STRUCT<KEY STRING, VALUE BYTES>> HEADERS)
              WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
            """, "Cannot create TABLE because schema with headers columns is disabled."
        ),
        (
            "ksql.create.or.replace.enabled", "CREATE OR REPLACE STREAM R AS SELECT ID, V FROM S WHERE V > 1;",
            "Cannot add stream 'R': A stream with the same name already exists"
        ),
        (
            "ksql.source.table.materialization.enabled",
            "CREATE SOURCE TABLE T (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');",
            disabledSources
        ),
        (
            "ksql.source.table.materialization.enabled",
            "CREATE SOURCE STREAM T (ID INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');", disabledSources
        ),
    ])
    func `what is switched off is refused`(flag: String, statement: String, message: String) throws {
        let lab = try Lab(sources)
        lab.properties[flag] = "false"
        #expect(try lab.failure(statement) == message)
        lab.properties[flag] = "TRUE"
        #expect(try lab.failure(statement) == nil)
    }

    @Test(arguments: [
        ("SELECT TRANSFORM(A, X => X + 1) FROM S EMIT CHANGES;", disabledLambdas),
        ("SELECT ID FROM S EMIT CHANGES;", nil),
    ])
    func `queries of clients may have no lambdas either`(text: String, message: String?) throws {
        let lab = try Lab(sources)
        lab.properties["ksql.lambdas.enabled"] = "false"
        guard case .query(let query) = try #require(try SQLParser.script(text).first).statement else { return }
        var failure: String?
        do { _ = try lab.executor.planPushQuery(query, id: "t", in: lab.catalog) } catch { failure = error.message }
        #expect(failure == message)
    }

    /// What is left of CREATE OR REPLACE makes what is not there yet, and replaces what no query writes.
    @Test(arguments: [
        "CREATE OR REPLACE STREAM NEW AS SELECT ID, V FROM S;",
        "CREATE OR REPLACE STREAM S (ID INT KEY, V INT, A ARRAY<INT>, W INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');",
    ])
    func `CREATE OR REPLACE that replaces no query is no matter of its flag`(statement: String) throws {
        let lab = try Lab(sources)
        lab.properties["ksql.create.or.replace.enabled"] = "false"
        #expect(try lab.failure(statement) == nil)
    }

    /// By hand from the original's CastEvaluator, where `String.valueOf` makes "null" of what is no STRING, DECIMAL or time.
    @Test(arguments: [
        ("INT", "null"), ("BIGINT", "null"), ("DOUBLE", "null"), ("BOOLEAN", "null"), ("ARRAY<INT>", "null"),
        ("DECIMAL(4, 2)", nil), ("STRING", nil), ("TIMESTAMP", nil), ("DATE", nil),
    ])
    func `nulls become texts where casts do not keep them`(type: String, expected: String?) throws {
        for keeps in [true, false] {
            let lab = try Lab("CREATE STREAM N (C \(type)) WITH (KAFKA_TOPIC='n', VALUE_FORMAT='JSON');")
            lab.properties["ksql.cast.strings.preserve.nulls"] = String(keeps)
            try lab.run("CREATE STREAM T AS SELECT CAST(C AS STRING) AS X FROM N;")
            var found: [TypedExpression] = []
            try lab.plan("CSAS_T_0").root.forEach { step in
                if case .select(let select) = step.operation { found += select.expressions }
            }
            let expression = try #require(found.last)
            let isText = if case .castWithNulls = expression.node { true } else { false }
            #expect(isText == (!keeps && expected != nil))
            #expect(expression.type == .string)
        }
    }
}
