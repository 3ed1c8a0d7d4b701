import SQLPlan
import SQLTypes
import Testing

private let sources = """
    CREATE STREAM ORDERS (ID BIGINT KEY, ITEM STRING, PRICE INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
    CREATE STREAM PAYMENTS (ORDER_ID BIGINT KEY, AMOUNT INT) WITH (KAFKA_TOPIC='payments', VALUE_FORMAT='JSON');
    CREATE TABLE ITEMS (NAME STRING PRIMARY KEY, WEIGHT INT) WITH (KAFKA_TOPIC='items', VALUE_FORMAT='JSON');
    CREATE TABLE PRICES (NAME STRING PRIMARY KEY, PRICE INT) WITH (KAFKA_TOPIC='prices', VALUE_FORMAT='JSON');
    """

/// What stands beside the equality in the ON of a join.
@Suite struct JoinConditionTests {
    /// Of the join of the last query, and whether a filter stands above it.
    private func join(_ statement: String) throws -> (residual: TypedExpression?, isFiltered: Bool, columns: [String]) {
        let lab = try Lab(sources)
        try lab.run(statement)
        var residual: TypedExpression?
        var columns: [String] = []
        var isFiltered = false
        for query in lab.catalog.allQueries {
            query.plan.root.forEach { step in
                switch step.operation {
                case .streamStreamJoin(let join): residual = join.residual
                case .streamTableJoin(let join): residual = join.residual
                case .tableTableJoin(let join): residual = join.residual
                case .foreignKeyJoin(let join): residual = join.residual
                case .filter:
                    isFiltered = true
                    return
                default: return
                }
                columns = step.schema.columns.map(\.name)
            }
        }
        return (residual, isFiltered, columns)
    }

    @Test(arguments: [
        "CREATE STREAM R AS SELECT O.ID, AMOUNT FROM ORDERS O LEFT JOIN PAYMENTS P WITHIN 1 DAY ON O.ID = ORDER_ID"
            + " AND AMOUNT > PRICE;",
        "CREATE STREAM R AS SELECT P.ORDER_ID, PRICE FROM ORDERS O RIGHT JOIN PAYMENTS P WITHIN 1 DAY ON AMOUNT > PRICE"
            + " AND O.ID = ORDER_ID AND AMOUNT < 10;",
        "CREATE STREAM R AS SELECT ROWKEY, O.ID, ORDER_ID FROM ORDERS O FULL OUTER JOIN PAYMENTS P WITHIN 1 DAY"
            + " ON O.ID = ORDER_ID AND (AMOUNT > PRICE OR ITEM = 'gift');",
        "CREATE STREAM R AS SELECT O.ITEM, WEIGHT FROM ORDERS O LEFT JOIN ITEMS I ON O.ITEM = I.NAME AND WEIGHT = 3;",
        "CREATE STREAM R AS SELECT O.ITEM, WEIGHT FROM ORDERS O LEFT JOIN ITEMS I"
            + " ON (O.ITEM = I.NAME AND WEIGHT > 3) OR (PRICE > 5 AND O.ITEM = I.NAME);",
        "CREATE TABLE R AS SELECT I.NAME, PRICE FROM ITEMS I LEFT JOIN PRICES P ON I.NAME = P.NAME AND PRICE > WEIGHT;",
        "CREATE TABLE R AS SELECT P.NAME, PRICE FROM ITEMS I RIGHT JOIN PRICES P ON I.NAME = P.NAME AND PRICE > WEIGHT;",
    ])
    func `an outer join keeps its further conditions`(statement: String) throws {
        let found = try join(statement)
        let residual = try #require(found.residual)
        #expect(residual.type == .boolean)
        #expect(!found.isFiltered)
        // What it reads is there, though nothing else of the query may need it.
        #expect(residual.columns.allSatisfy { found.columns.indices.contains($0) })
    }

    @Test func `an inner join filters its result`() throws {
        let found = try join(
            "CREATE STREAM R AS SELECT O.ITEM, PRICE FROM ORDERS O JOIN ITEMS I ON O.ITEM = I.NAME AND WEIGHT > 3 AND"
                + " PRICE < 7;")
        #expect(found.residual == nil)
        #expect(found.isFiltered)
    }

    @Test(arguments: [
        (
            "CREATE TABLE R AS SELECT ROWKEY, I.NAME, P.NAME FROM ITEMS I FULL OUTER JOIN PRICES P ON I.NAME = P.NAME"
                + " AND PRICE > WEIGHT;",
            "a full-outer join of tables cannot have further conditions"
        ),
        (
            "CREATE STREAM R AS SELECT O.ITEM, WEIGHT FROM ORDERS O LEFT JOIN ITEMS I ON O.ITEM = I.NAME OR WEIGHT > 3;",
            "An OR needs the equality that joins the sources"
        ),
        (
            "CREATE STREAM R AS SELECT O.ID, AMOUNT FROM ORDERS O LEFT JOIN PAYMENTS P WITHIN 1 DAY ON O.ID = ORDER_ID"
                + " AND PRICE = AMOUNT;",
            "joins on multiple conditions are not yet supported"
        ),
        (
            "CREATE STREAM R AS SELECT O.ITEM, WEIGHT FROM ORDERS O LEFT JOIN ITEMS I ON O.ITEM = I.NAME AND WEIGHT + 1;",
            "Should evaluate to boolean"
        ),
    ])
    func `a condition that is none says why`(statement: String, message: String) throws {
        let failure = try Lab(sources).failure(statement)
        #expect(failure?.contains(message) == true, "\(failure ?? "it does not fail")")
    }
}
