import SQLSyntax
import Testing

@Suite struct StatementMaskTests {
    @Test(arguments: [
        (
            "CREATE SINK CONNECTOR c WITH ('connector.class'='a.B', 'connection.password'='S3cret', \"tasks.max\"=2);",
            "CREATE SINK CONNECTOR c WITH ('connector.class'='a.B', 'connection.password'='[string]', \"tasks.max\"='[string]');"
        ),
        (
            "create /* S3cret */ source connector if not exists `c(` with (\n  connector.class = 'x',\n  p = 'it''s S3cret');",
            "create   source connector if not exists `c(` with (\n  connector.class = 'x',\n  p = '[string]');"
        ),
        // What follows a statement that ends is as it was.
        (
            "CREATE SINK CONNECTOR c WITH ('p'='S3;cret'); INSERT INTO s VALUES ('x');",
            "CREATE SINK CONNECTOR c WITH ('p'='[string]'); INSERT INTO s VALUES ('x');"
        ),
    ])
    func `values of connectors are masked`(text: String, masked: String) {
        #expect(StatementMask(text).text == masked)
    }

    @Test(arguments: [
        "CREATE SINK CONNECTOR c WITH ('p'='S3cret'", "CREATE SINK CONNECTOR c WITH ('p'='S3cret",
        "CREATE SINK CONNECTOR c WITH ('p' 'S3cret');", "CREATE SINK CONNECTOR c WITH ('p = 'S3cret');",
        "CREATE SINK CONNECTOR c WITH ('p = 'ab=S3cret', 'q'='r');", "CREATE SINK CONNECTOR c WITH 'p'='S3cret';",
        "CREATE SINK CONECTOR c WITH ('p'='S3cret');", "CRAETE SINK CONNECTOR c WITH ('p'='S3cret');",
        "CREATE SINK CONNECTOR c ('p'='S3cret');", "CREATE SINK CONNECTOR c WITH ('p'=S3cret);",
        "CREATE SINK CONNECTOR c WITH ('p'=\"S3cret\");", "CREATE SINK CONNECTOR c WITH ('p'='x' S3cret);",
        "CREATE SINK CONNECTOR c WITH ('p'='x', -- S3cret\n 'q'='y');", "CREATE SINK CONNECTOR 'S3cret';",
        "SHOW STREAMS; CREATE SOURCE CONNECTOR c WITH ('connector.class'='x' 'S3cret');",
        "CREATE SINK CONNECTOR c WITH ('p = 'ab;S3cret', 'q'='r');",
    ])
    func `nothing is left in texts that do not parse`(text: String) {
        let mask = StatementMask(text)
        #expect(!mask.text.contains("S3cret"), "\(mask.text)")
    }

    @Test(arguments: [
        "CREATE SOURCE STREAM s (k STRING KEY) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');",
        "CREATE SOURCE TABLE s (k STRING PRIMARY KEY) WITH (KAFKA_TOPIC='t');", "SHOW SINK CONNECTORS;",
        "INSERT INTO s VALUES ('create sink connector c with (''p''=''x'')');", "DROP CONNECTOR source;",
        "SELECT source, sink FROM s WHERE source = 'x' EMIT CHANGES;", "",
    ])
    func `other statements are as they were`(text: String) { #expect(StatementMask(text).text == text) }

    @Test func `sentences about a statement have no values either`() {
        let mask = StatementMask("CREATE SINK CONNECTOR c WITH ('p'='S3cret' 'S3cret2');")
        #expect(
            mask.hiding("line 1:40: Unexpected 'S3cret2', not 'S3cret'")
                == "line 1:40: Unexpected '[string]', not '[string]'")
    }
}
