/// A statement of the language, for whoever executes it: engine, server, command line or test tool.
package indirect enum Statement: Hashable, Sendable {
    case query(Query)

    case createSource(CreateSource)
    case createSourceAs(CreateSourceAs)
    case alterSource(AlterSource)
    case dropSource(DropSource)
    case insertInto(InsertInto)
    case insertValues(InsertValues)

    case createType(CreateType)
    case dropType(name: Identifier, ifExists: Bool)

    case terminate(QueryTarget)
    case pause(QueryTarget)
    case resume(QueryTarget)
    case explain(Explain)

    case show(ShowSubject)
    case describe(DescribeSubject)
    case printTopic(PrintTopic)

    case createConnector(CreateConnector)
    case dropConnector(name: Identifier, ifExists: Bool)

    case setProperty(name: String, value: String)
    case unsetProperty(name: String)
    case alterSystemProperty(name: String, value: String)
    /// Names of variables are the same in any case.
    case defineVariable(name: String, value: String)
    case undefineVariable(name: String)

    case assertTopic(AssertTopic)
    case assertSchema(AssertSchema)

    /// `RUN SCRIPT 'file'`: not at a server.
    case runScript(String)
    /// `SPOOL 'file'`, nil for `SPOOL OFF`: on the command line only.
    case spool(String?)

    // In test scripts only.
    case assertValues(InsertValues)
    /// `ASSERT NULL VALUES source (columns) KEY (values)`: a tombstone.
    case assertTombstone(InsertValues)
    case assertSource(CreateSource)
}

package enum SourceKind: String, Hashable, Sendable {
    case stream = "STREAM"
    case table = "TABLE"
}

/// `WITH (...)`. The order means nothing.
package struct Properties: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        /// Upper-cased unless quoted.
        package var name: Identifier
        package var value: Literal

        package init(_ name: Identifier, _ value: Literal) {
            self.name = name
            self.value = value
        }
    }

    /// As written; no name occurs twice.
    package var entries: [Entry]

    package init(_ entries: [Entry] = []) { self.entries = entries }

    package var isEmpty: Bool { entries.isEmpty }

    package var sorted: [Entry] { entries.sorted { $0.name.text < $1.name.text } }

    /// By exact name.
    package subscript(name: String) -> Literal? { entries.first { $0.name.text == name }?.value }

    package static func == (a: Self, b: Self) -> Bool { a.sorted == b.sorted }
    package func hash(into hasher: inout Hasher) { hasher.combine(sorted) }
}

/// A column of a source.
package struct TableElement: Hashable, Sendable {
    package enum Constraint: Hashable, Sendable {
        case key
        case primaryKey
        /// All headers of the record.
        case headers
        /// One of them.
        case header(String)
    }

    package var name: Identifier
    package var type: TypeExpression
    package var constraint: Constraint?

    package init(_ name: Identifier, _ type: TypeExpression, _ constraint: Constraint? = nil) {
        self.name = name
        self.type = type
        self.constraint = constraint
    }

    package var position: Position { name.position }
}

/// `CREATE STREAM|TABLE name (columns) WITH (...)`, and the same of `ASSERT`.
package struct CreateSource: Hashable, Sendable {
    package var kind: SourceKind
    package var name: Identifier
    package var elements: [TableElement] = []
    package var properties = Properties()
    package var orReplace = false
    package var ifNotExists = false
    /// `CREATE SOURCE ...`: read-only.
    package var isSource = false
    package var position = Position()

    package init(_ kind: SourceKind, _ name: Identifier) {
        self.kind = kind
        self.name = name
    }
}

/// `CREATE STREAM|TABLE name WITH (...) AS query`.
package struct CreateSourceAs: Hashable, Sendable {
    package var kind: SourceKind
    package var name: Identifier
    package var properties = Properties()
    package var query: Query
    package var orReplace = false
    package var ifNotExists = false
    package var position = Position()

    package init(_ kind: SourceKind, _ name: Identifier, _ query: Query) {
        self.kind = kind
        self.name = name
        self.query = query
    }
}

/// `ALTER STREAM|TABLE name ADD column type, ...`.
package struct AlterSource: Hashable, Sendable {
    package struct Column: Hashable, Sendable {
        package var name: Identifier
        package var type: TypeExpression

        package init(_ name: Identifier, _ type: TypeExpression) {
            self.name = name
            self.type = type
        }
    }

    package var kind: SourceKind
    package var name: Identifier
    package var columns: [Column]
    package var position = Position()

    package init(_ kind: SourceKind, _ name: Identifier, _ columns: [Column]) {
        self.kind = kind
        self.name = name
        self.columns = columns
    }
}

package struct DropSource: Hashable, Sendable {
    package var kind: SourceKind
    package var name: Identifier
    package var ifExists = false
    package var deleteTopic = false
    package var position = Position()

    package init(_ kind: SourceKind, _ name: Identifier) {
        self.kind = kind
        self.name = name
    }
}

/// `INSERT INTO name WITH (...) query`.
package struct InsertInto: Hashable, Sendable {
    package var target: Identifier
    package var properties = Properties()
    package var query: Query

    package init(_ target: Identifier, _ query: Query) {
        self.target = target
        self.query = query
    }
}

/// `INSERT INTO name (columns) VALUES (values)`, and the same of `ASSERT`. Counts are not compared here.
package struct InsertValues: Hashable, Sendable {
    package var target: Identifier
    /// Empty: all in their order.
    package var columns: [Identifier]
    package var values: [Expression]

    package init(_ target: Identifier, columns: [Identifier] = [], values: [Expression]) {
        self.target = target
        self.columns = columns
        self.values = values
    }
}

package struct CreateType: Hashable, Sendable {
    package var name: Identifier
    package var type: TypeExpression
    package var ifNotExists = false

    package init(_ name: Identifier, _ type: TypeExpression) {
        self.name = name
        self.type = type
    }
}

package enum QueryTarget: Hashable, Sendable {
    case all
    case query(Identifier)
}

package struct Explain: Hashable, Sendable {
    package enum Subject: Hashable, Sendable {
        case query(Identifier)
        case statement(Statement)
    }

    package var subject: Subject
    /// Beyond ksqlDB: with what was counted.
    package var isAnalyze = false
    /// Beyond ksqlDB, of a CREATE OR REPLACE: what it would do to what is there.
    package var isUpgrade = false

    package init(_ subject: Subject) { self.subject = subject }
}

package enum ShowSubject: Hashable, Sendable {
    /// `all`: hidden ones as well.
    case topics(all: Bool, extended: Bool)
    case streams(extended: Bool)
    case tables(extended: Bool)
    case queries(extended: Bool)
    case functions, types, properties, variables
    case connectors(ConnectorKind?)
    case connectorPlugins
}

package enum DescribeSubject: Hashable, Sendable {
    case source(Identifier, extended: Bool)
    case streams(extended: Bool)
    case tables(extended: Bool)
    case function(Identifier)
    case connector(Identifier)
}

package struct PrintTopic: Hashable, Sendable {
    /// In the case in which it is written.
    package var topic: String
    package var fromBeginning = false
    /// Every how many records one is printed.
    package var interval: Int32?
    package var limit: Int32?

    package init(_ topic: String) { self.topic = topic }
}

package enum ConnectorKind: String, Hashable, Sendable {
    case source = "SOURCE"
    case sink = "SINK"
}

package struct CreateConnector: Hashable, Sendable {
    package var kind: ConnectorKind
    package var name: Identifier
    package var properties: Properties
    package var ifNotExists = false

    package init(_ kind: ConnectorKind, _ name: Identifier, _ properties: Properties) {
        self.kind = kind
        self.name = name
        self.properties = properties
    }
}

/// `ASSERT [NOT EXISTS] TOPIC ...`.
package struct AssertTopic: Hashable, Sendable {
    /// In the case in which it is written.
    package var topic: String
    package var properties = Properties()
    package var timeout: TimeSpan?
    package var exists = true

    package init(_ topic: String) { self.topic = topic }
}

/// `ASSERT [NOT EXISTS] SCHEMA ...`. That one of subject and id is given is not checked here.
package struct AssertSchema: Hashable, Sendable {
    /// In the case in which it is written.
    package var subject: String?
    package var id: Literal?
    package var timeout: TimeSpan?
    package var exists = true

    package init() {}
}
