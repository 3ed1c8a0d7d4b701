import SQLTypes

/// One step of a query and, by its inputs, everything below it.
///
/// Steps, their names and their schemas are those of ksqlDB's execution plans, so that stores, internal topics and
/// EXPLAIN have the original's names.
package struct PlanStep: Hashable, Sendable {
    /// The way to the step in names of the original, outermost first: `["KafkaTopic_Left", "Source"]`.
    package var context: [String]
    package var operation: Operation
    /// Of the rows it puts out.
    package var schema: RowSchema
    /// Whether it puts out changes of a table (with old and new value) or events of a stream.
    package var isTable: Bool

    package init(_ context: [String], _ operation: Operation, schema: RowSchema, isTable: Bool) {
        self.context = context
        self.operation = operation
        self.schema = schema
        self.isTable = isTable
    }

    /// The name in loggers and, with an ending, of stores and internal topics.
    package var name: String { context.joined(separator: "-") }

    package indirect enum Operation: Hashable, Sendable {
        /// A topic as stream or table.
        case source(SourceStep)
        case filter(FilterStep)
        case select(SelectStep)
        /// Table functions; streams only.
        case flatMap(FlatMapStep)
        /// A new key: of a stream by PARTITION BY or before a join; of a table before a join.
        case selectKey(SelectKeyStep)
        /// Records go through a topic of the query's own, so that equal keys meet in one task.
        case repartition(RepartitionStep)
        /// Prepares `aggregate`: the grouping expressions become the key.
        case group(GroupStep)
        case aggregate(AggregateStep)
        /// Holds results of windows back until these are closed: EMIT FINAL.
        case suppress(SuppressStep)
        case streamStreamJoin(StreamStreamJoinStep)
        case streamTableJoin(StreamTableJoinStep)
        case tableTableJoin(TableTableJoinStep)
        case foreignKeyJoin(ForeignKeyJoinStep)
        /// Always and only at the top; missing in queries of clients.
        case sink(SinkStep)
    }

    /// What it reads from, left before right.
    package var inputs: [PlanStep] {
        switch operation {
        case .source: []
        case .filter(let step): [step.input]
        case .select(let step): [step.input]
        case .flatMap(let step): [step.input]
        case .selectKey(let step): [step.input]
        case .repartition(let step): [step.input]
        case .group(let step): [step.input]
        case .aggregate(let step): [step.input]
        case .suppress(let step): [step.input]
        case .streamStreamJoin(let step): [step.left, step.right]
        case .streamTableJoin(let step): [step.left, step.right]
        case .tableTableJoin(let step): [step.left, step.right]
        case .foreignKeyJoin(let step): [step.left, step.right]
        case .sink(let step): [step.input]
        }
    }
}

/// Reads a topic. The schema has the columns of `origins`, in the order: keys, values, headers, pseudo columns; values,
/// headers and pseudo columns that nothing above needs are left out. Key columns are all there.
package struct SourceStep: Hashable, Sendable {
    /// Where a column of the output comes from.
    package enum Origin: Hashable, Sendable {
        /// A key column, by its index among the source's key columns.
        case key(Int)
        /// A value column, by its index among the source's value columns.
        case value(Int)
        /// ARRAY<STRUCT<KEY STRING, VALUE BYTES>> of all headers.
        case headers
        /// BYTES of the last header of that name, or null.
        case header(String)
        case pseudo(PseudoColumn)
    }

    /// The name of the stream or table.
    package var sourceName: String
    package var topic: String
    /// All columns of the key's bytes, in order, whether used or not.
    package var keyColumns: [RowSchema.Column]
    package var keyFormat: SerdeFormat
    package var window: WindowInfo?
    /// All columns of the value's bytes, in order, whether used or not.
    package var valueColumns: [RowSchema.Column]
    package var valueFormat: SerdeFormat
    /// Where the timestamps of rows come from; nil: from the records.
    package var timestamp: TimestampColumn?
    package var origins: [Origin]
    /// Tables only: the store that keeps the last row of each key, for the old values of changes and for lookups.
    package var store: StateStore?

    package init(
        sourceName: String, topic: String, keyColumns: [RowSchema.Column], keyFormat: SerdeFormat, window: WindowInfo?,
        valueColumns: [RowSchema.Column], valueFormat: SerdeFormat, timestamp: TimestampColumn?, origins: [Origin],
        store: StateStore?
    ) {
        self.sourceName = sourceName
        self.topic = topic
        self.keyColumns = keyColumns
        self.keyFormat = keyFormat
        self.window = window
        self.valueColumns = valueColumns
        self.valueFormat = valueFormat
        self.timestamp = timestamp
        self.origins = origins
        self.store = store
    }
}

/// A column that gives rows their time.
package struct TimestampColumn: Hashable, Sendable {
    package var column: String
    /// The pattern of a STRING column; nil: a BIGINT or TIMESTAMP column.
    package var format: String?

    package init(column: String, format: String? = nil) {
        self.column = column
        self.format = format
    }
}

/// State of a step.
package struct StateStore: Hashable, Sendable {
    /// Unique within the query; its changelog topic is `<application id>-<name>-changelog`.
    package var name: String
    /// Of changelog records.
    package var formats: InternalFormats

    package init(_ name: String, formats: InternalFormats) {
        self.name = name
        self.formats = formats
    }
}

/// The formats of bytes that only the query itself reads.
package struct InternalFormats: Hashable, Sendable {
    package var key: SerdeFormat
    package var value: SerdeFormat

    /// Schemas of sources are not those of internal topics: ids are left out.
    package init(key: SerdeFormat, value: SerdeFormat) {
        self.key = key
        self.value = value
        self.key.info.properties[FormatInfo.schemaIDProperty] = nil
        self.value.info.properties[FormatInfo.schemaIDProperty] = nil
    }
}

/// Keeps rows for which the predicate is true. Of a table: rows that stop being so become tombstones.
package struct FilterStep: Hashable, Sendable {
    package var input: PlanStep
    /// BOOLEAN over the input's columns.
    package var predicate: TypedExpression

    package init(_ input: PlanStep, predicate: TypedExpression) {
        self.input = input
        self.predicate = predicate
    }
}

/// Computes rows. The key stays what it is; only names of its columns may change, and of a stream's that is inserted the
/// digits of decimals.
package struct SelectStep: Hashable, Sendable {
    package var input: PlanStep
    /// One for each column of the schema, over the input's columns. Those of key columns are `.column`s of the input's
    /// key, in its order, or casts of these.
    package var expressions: [TypedExpression]

    package init(_ input: PlanStep, expressions: [TypedExpression]) {
        self.input = input
        self.expressions = expressions
    }
}

/// For each row the rows of its table functions, side by side; shorter ones are filled up with null. The schema: the
/// input's columns, then one column per function.
package struct FlatMapStep: Hashable, Sendable {
    package var input: PlanStep
    package var functions: [TableFunctionCall]

    package init(_ input: PlanStep, functions: [TableFunctionCall]) {
        self.input = input
        self.functions = functions
    }
}

/// Gives rows a new key. The schema: the new key columns, then the input's columns of `carried`.
package struct SelectKeyStep: Hashable, Sendable {
    package var input: PlanStep
    /// Over the input's columns. None: rows lose their key (PARTITION BY NULL). A row for which one fails is dropped; rows
    /// whose new key is null keep a null key.
    package var keys: [TypedExpression]
    /// Indexes of input columns.
    package var carried: [Int]
    /// The key's bytes from here on, and how values travel if a repartition follows.
    package var formats: InternalFormats
    /// Tables only: changes go through this topic (deletes of the old key, rows of the new one) and are a table again
    /// behind it, whose rows are kept in `store`.
    package var repartition: RepartitionTopic?
    package var store: StateStore?

    package init(
        _ input: PlanStep, keys: [TypedExpression], carried: [Int], formats: InternalFormats,
        repartition: RepartitionTopic? = nil, store: StateStore? = nil
    ) {
        self.input = input
        self.keys = keys
        self.carried = carried
        self.formats = formats
        self.repartition = repartition
        self.store = store
    }
}

/// A topic of the query's own; its name is `<application id>-<name>-repartition`.
package struct RepartitionTopic: Hashable, Sendable {
    package var name: String
    package var formats: InternalFormats

    package init(_ name: String, formats: InternalFormats) {
        self.name = name
        self.formats = formats
    }
}

/// Sends rows through a topic; the schema is the input's. Rows without a key are dropped where the step behind ignores
/// them anyway (joins and groups).
package struct RepartitionStep: Hashable, Sendable {
    package var input: PlanStep
    package var topic: RepartitionTopic

    package init(_ input: PlanStep, topic: RepartitionTopic) {
        self.input = input
        self.topic = topic
    }
}

/// Rows by group. The schema: the grouping columns as key, then the input's columns of `carried`. Rows for which a
/// grouping expression is null or fails are dropped.
package struct GroupStep: Hashable, Sendable {
    package var input: PlanStep
    package var keys: [TypedExpression]
    /// Indexes of input columns.
    package var carried: [Int]
    /// Whether the groups are those of the input's key: nothing moves.
    package var isByKey: Bool
    /// How rows travel to their groups; nil where they need not. Of tables: undo of the old value and the new value.
    package var repartition: RepartitionTopic?
    package var formats: InternalFormats

    package init(
        _ input: PlanStep, keys: [TypedExpression], carried: [Int], isByKey: Bool, repartition: RepartitionTopic?,
        formats: InternalFormats
    ) {
        self.input = input
        self.keys = keys
        self.carried = carried
        self.isByKey = isByKey
        self.repartition = repartition
        self.formats = formats
    }
}

/// Aggregates of groups. The schema: the key, the `retained` columns, one column per function, and for windowed ones the
/// pseudo columns WINDOWSTART and WINDOWEND if they are used (`hasWindowBounds`).
package struct AggregateStep: Hashable, Sendable {
    /// A `group` step.
    package var input: PlanStep
    /// Indexes of input columns that are part of the result as they are in the last row of the group.
    package var retained: [Int]
    package var functions: [AggregateFunctionCall]
    package var window: WindowSpecification?
    package var hasWindowBounds: Bool
    /// Keeps for each group (and window) the retained columns and the functions' states.
    package var store: StateStore
    /// Names of all columns that the query names before it aggregates: what it may be replaced by has the same.
    package var columnsRead: [String] = []

    package init(
        _ input: PlanStep, retained: [Int], functions: [AggregateFunctionCall], window: WindowSpecification?,
        hasWindowBounds: Bool, store: StateStore
    ) {
        self.input = input
        self.retained = retained
        self.functions = functions
        self.window = window
        self.hasWindowBounds = hasWindowBounds
        self.store = store
    }
}

/// WINDOW of a query; all times in milliseconds.
package struct WindowSpecification: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case tumbling(size: Int64)
        case hopping(size: Int64, advance: Int64)
        case session(gap: Int64)
    }

    package var kind: Kind
    /// Resolved: what the statement says, or 24 h less the size, or 0.
    package var grace: Int64
    /// What the statement says.
    package var retention: Int64?
    /// What the statement says about grace; nil: nothing.
    package var statedGrace: Int64?

    package init(_ kind: Kind, grace: Int64, retention: Int64?, statedGrace: Int64?) {
        self.kind = kind
        self.grace = grace
        self.retention = retention
        self.statedGrace = statedGrace
    }
}

package struct SuppressStep: Hashable, Sendable {
    package var input: PlanStep
    /// After the end of a window.
    package var grace: Int64
    package var store: StateStore

    package init(_ input: PlanStep, grace: Int64, store: StateStore) {
        self.input = input
        self.grace = grace
        self.store = store
    }
}

package enum JoinKind: String, Hashable, Sendable {
    case inner = "INNER"
    case left = "LEFT"
    case right = "RIGHT"
    case full = "OUTER"
}

/// Where a column of a join's result comes from; columns of a side without a match are null.
package enum JoinColumn: Hashable, Sendable {
    /// A column of the join's key, of whichever side is there.
    case key(Int)
    case left(Int)
    case right(Int)
}

/// Both inputs have the same key, and the result has it too. One `columns` entry for each column of the schema.
package struct StreamStreamJoinStep: Hashable, Sendable {
    package var left: PlanStep
    package var right: PlanStep
    package var kind: JoinKind
    package var columns: [JoinColumn]
    /// A right row matches if its time is in (left time - before) ... (left time + after); of a RIGHT join a left row
    /// does if its time is so beside that of the right one, as the original has it. Milliseconds.
    package var before: Int64
    package var after: Int64
    /// nil without GRACE PERIOD: `keptGrace` counts, and unmatched rows are put out at once.
    package var grace: Int64?
    package var leftStore: StateStore
    package var rightStore: StateStore
    /// Over the columns of the result, what rows of equal keys have to fulfil besides; a row that meets none that does has
    /// met nobody. nil for inner joins, which filter their result.
    package var residual: TypedExpression?

    package init(
        left: PlanStep, right: PlanStep, kind: JoinKind, columns: [JoinColumn], before: Int64, after: Int64,
        grace: Int64?, leftStore: StateStore, rightStore: StateStore
    ) {
        self.left = left
        self.right = right
        self.kind = kind
        self.columns = columns
        self.before = before
        self.after = after
        self.grace = grace
        self.leftStore = leftStore
        self.rightStore = rightStore
    }

    /// How much longer than it takes rows to meet they are kept: 24 h less twice `before` where nothing is said, as Kafka
    /// Streams has it.
    private var keptGrace: Int64 {
        if let grace { return max(0, grace) }
        let (span, overflow) = before.multipliedReportingOverflow(by: 2)
        return overflow ? 0 : max(0, 86_400_000 - max(0, span))
    }

    /// How long the rows of both sides are kept; milliseconds.
    package var retention: Int64 { max(0, before.saturatingSum(after)).saturatingSum(keptGrace) }
}

/// INNER or LEFT.
package struct StreamTableJoinStep: Hashable, Sendable {
    package var left: PlanStep
    /// A table.
    package var right: PlanStep
    package var kind: JoinKind
    package var columns: [JoinColumn]
    /// Over the columns of the result, what rows of equal keys have to fulfil besides; a row that meets none that does has
    /// met nobody. nil for inner joins, which filter their result.
    package var residual: TypedExpression?

    package init(left: PlanStep, right: PlanStep, kind: JoinKind, columns: [JoinColumn]) {
        self.left = left
        self.right = right
        self.kind = kind
        self.columns = columns
    }
}

/// On equal primary keys. The last row of each side is kept: by the `store` of a source, a key selection or an aggregate below, or by the join.
package struct TableTableJoinStep: Hashable, Sendable {
    package var left: PlanStep
    package var right: PlanStep
    package var kind: JoinKind
    package var columns: [JoinColumn]
    /// Over the columns of the result, what rows of equal keys have to fulfil besides; a row that meets none that does has
    /// met nobody. nil for inner joins, which filter their result.
    package var residual: TypedExpression?

    package init(left: PlanStep, right: PlanStep, kind: JoinKind, columns: [JoinColumn]) {
        self.left = left
        self.right = right
        self.kind = kind
        self.columns = columns
    }
}

/// INNER or LEFT; a value of the left row is the primary key of the right one. The result has the left key.
package struct ForeignKeyJoinStep: Hashable, Sendable {
    package var left: PlanStep
    package var right: PlanStep
    package var kind: JoinKind
    package var columns: [JoinColumn]
    /// Over the left columns: the key of the right row.
    package var foreignKey: TypedExpression
    /// Over the columns of the result, what rows of equal keys have to fulfil besides; a row that meets none that does has
    /// met nobody. nil for inner joins, which filter their result.
    package var residual: TypedExpression?
    package var formats: InternalFormats

    package init(
        left: PlanStep, right: PlanStep, kind: JoinKind, columns: [JoinColumn], foreignKey: TypedExpression,
        formats: InternalFormats
    ) {
        self.left = left
        self.right = right
        self.kind = kind
        self.columns = columns
        self.foreignKey = foreignKey
        self.formats = formats
    }
}

/// Writes rows to a topic. The schema's key columns are the key, the others the value, as `keyFormat` and `valueFormat`
/// say; the key is windowed where the schema's is.
package struct SinkStep: Hashable, Sendable {
    package var input: PlanStep
    package var topic: String
    package var keyFormat: SerdeFormat
    package var valueFormat: SerdeFormat
    /// The column that gives records their timestamp; nil: the row's.
    package var timestamp: TimestampColumn?

    package init(
        _ input: PlanStep, topic: String, keyFormat: SerdeFormat, valueFormat: SerdeFormat, timestamp: TimestampColumn?
    ) {
        self.input = input
        self.topic = topic
        self.keyFormat = keyFormat
        self.valueFormat = valueFormat
        self.timestamp = timestamp
    }
}
