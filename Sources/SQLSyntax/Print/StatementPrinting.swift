extension Statement: CustomStringConvertible {
    /// As SQL in ksqlDB's canonical form, which reads back as an equal statement. What it ends with `;` ends so here.
    package var description: String {
        switch self {
        case .query(let query): query.description
        case .createSource(let create): create.sql
        case .createSourceAs(let create): create.sql
        case .alterSource(let alter):
            "ALTER \(alter.kind.rawValue) \(alter.name.printed)\n"
                + alter.columns.map { "ADD COLUMN \($0.name.printed) \($0.type.sql)" }.joined(separator: ",\n") + ";"
        case .dropSource(let drop):
            "DROP \(drop.kind.rawValue) \(drop.ifExists ? "IF EXISTS " : "")\(drop.name.printed)"
                + (drop.deleteTopic ? " DELETE TOPIC" : "")
        case .insertInto(let insert): "INSERT INTO \(insert.target.printed)\(insert.properties.clause) \(insert.query)"
        case .insertValues(let insert): "INSERT INTO " + insert.sql(keyword: "VALUES")
        case .createType(let create):
            "CREATE TYPE \(create.ifNotExists ? "IF NOT EXISTS " : "")\(create.name.printed) AS \(create.type.sql);"
        case .dropType(let name, let ifExists): "DROP TYPE \(ifExists ? "IF EXISTS " : "")\(name.printed)"
        case .terminate(let target): "TERMINATE " + target.sql
        case .pause(let target): "PAUSE " + target.sql
        case .resume(let target): "RESUME " + target.sql
        case .explain(let explain):
            switch explain.subject {
            case .query(let id): "EXPLAIN \(explain.isAnalyze ? "ANALYZE " : "")\n\(id.printed)"
            case .statement(let statement):
                "EXPLAIN \(explain.isAnalyze ? "ANALYZE " : "")\n\(statement)\(explain.isUpgrade ? "\nUPGRADE" : "")"
            }
        case .show(let subject): "SHOW " + subject.sql
        case .describe(let subject): "DESCRIBE " + subject.sql
        case .printTopic(let print):
            "PRINT " + Literal.quote(print.topic) + (print.fromBeginning ? " FROM BEGINNING" : "")
                + (print.interval.map { " INTERVAL \($0)" } ?? "") + (print.limit.map { " LIMIT \($0)" } ?? "")
        case .createConnector(let create):
            "CREATE \(create.kind.rawValue) CONNECTOR \(create.ifNotExists ? "IF NOT EXISTS " : "")"
                + create.name.printed + create.properties.clause
        case .dropConnector(let name, let ifExists): "DROP CONNECTOR \(ifExists ? "IF EXISTS " : "")\(name.printed)"
        case .setProperty(let name, let value): "SET \(Literal.quote(name))=\(Literal.quote(value))"
        case .unsetProperty(let name): "UNSET " + Literal.quote(name)
        case .alterSystemProperty(let name, let value):
            "ALTER SYSTEM \(Literal.quote(name))=\(Literal.quote(value))"
        case .defineVariable(let name, let value): "DEFINE \(name)=\(Literal.quote(value))"
        case .undefineVariable(let name): "UNDEFINE " + name
        case .assertTopic(let assert):
            "ASSERT \(assert.exists ? "" : "NOT EXISTS ")TOPIC \(Literal.quote(assert.topic))\(assert.properties.clause)"
                + (assert.timeout.map { " TIMEOUT \($0.sql)" } ?? "")
        case .assertSchema(let assert):
            "ASSERT \(assert.exists ? "" : "NOT EXISTS ")SCHEMA"
                + (assert.subject.map { " SUBJECT \(Literal.quote($0))" } ?? "")
                + (assert.id.map { " ID \($0.sql)" } ?? "") + (assert.timeout.map { " TIMEOUT \($0.sql)" } ?? "")
        case .runScript(let file): "RUN SCRIPT " + Literal.quote(file)
        case .spool(let file): "SPOOL " + (file.map(Literal.quote) ?? "OFF")
        case .assertValues(let insert): "ASSERT VALUES " + insert.sql(keyword: "VALUES")
        case .assertTombstone(let insert): "ASSERT NULL VALUES " + insert.sql(keyword: "KEY")
        case .assertSource(let source): "ASSERT \(source.kind.rawValue) \(source.rest)"
        }
    }
}

extension CreateSource {
    package var sql: String {
        "CREATE \(orReplace ? "OR REPLACE " : "")\(isSource ? "SOURCE " : "")\(kind.rawValue) "
            + "\(ifNotExists ? "IF NOT EXISTS " : "")\(rest)"
    }

    /// From the name on.
    fileprivate var rest: String {
        let columns = elements.isEmpty ? "" : " (" + elements.map(\.sql).joined(separator: ", ") + ")"
        return name.printed + columns + properties.clause + ";"
    }
}

extension CreateSourceAs {
    package var sql: String {
        "CREATE \(orReplace ? "OR REPLACE " : "")\(kind.rawValue) \(ifNotExists ? "IF NOT EXISTS " : "")"
            + "\(name.printed)\(properties.clause) AS \(query)"
    }
}

extension TableElement {
    package var sql: String {
        let suffix =
            switch constraint {
            case nil: ""
            case .key: " KEY"
            case .primaryKey: " PRIMARY KEY"
            case .headers: " HEADERS"
            case .header(let key): " HEADER(\(Literal.quote(key)))"
            }
        return name.printed + " " + type.sql + suffix
    }
}

extension Properties {
    /// ` WITH (A='b', C=1)`, by name; empty without properties.
    package var clause: String {
        guard !isEmpty else { return "" }
        let texts = sorted.map { entry in
            let isPlain = entry.name.isVariable || !Identifier.needsQuotes(entry.name.text)
            return (isPlain ? entry.name.text : Literal.quote(entry.name.text)) + "=" + entry.value.sql
        }
        return " WITH (" + texts.joined(separator: ", ") + ")"
    }
}

extension InsertValues {
    fileprivate func sql(keyword: String) -> String {
        let columns = columns.isEmpty ? "" : "(" + self.columns.map(\.printed).joined(separator: ", ") + ") "
        return "\(target.printed) \(columns)\(keyword) (" + values.map(\.sql).joined(separator: ", ") + ")"
    }
}

extension QueryTarget {
    package var sql: String {
        switch self {
        case .all: "ALL"
        case .query(let id): id.printed
        }
    }
}

extension ShowSubject {
    package var sql: String {
        func name(_ text: String, _ extended: Bool) -> String { text + (extended ? " EXTENDED" : "") }
        return switch self {
        case .topics(let all, let extended): (all ? "ALL " : "") + name("TOPICS", extended)
        case .streams(let extended): name("STREAMS", extended)
        case .tables(let extended): name("TABLES", extended)
        case .queries(let extended): name("QUERIES", extended)
        case .functions: "FUNCTIONS"
        case .types: "TYPES"
        case .properties: "PROPERTIES"
        case .variables: "VARIABLES"
        case .connectors(let kind): (kind.map { $0.rawValue + " " } ?? "") + "CONNECTORS"
        case .connectorPlugins: "CONNECTOR PLUGINS"
        }
    }
}

extension DescribeSubject {
    package var sql: String {
        switch self {
        case .source(let name, let extended):
            // The bare word would describe all tables.
            (name.text == "TABLES" ? Identifier.quote(name.text) : name.printed) + (extended ? " EXTENDED" : "")
        case .streams(let extended): "STREAMS" + (extended ? " EXTENDED" : "")
        case .tables(let extended): "TABLES" + (extended ? " EXTENDED" : "")
        case .function(let name): "FUNCTION " + name.printed
        case .connector(let name): "CONNECTOR " + name.printed
        }
    }
}
