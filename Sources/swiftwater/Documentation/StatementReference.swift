import SQLService

/// `docs/sql-reference.md`: statements with examples, properties of `WITH`, formats, and the server's properties.
enum StatementReference {
    static var text: String {
        var page = Markdown(
            title: "Statements of streaming SQL", from: "the catalogues of statements and properties")
        page.paragraph(
            """
            The language is ksqlDB's. Words count in any case, names that are not quoted become upper case, `` `Quoted` `` \
            ones stay as they are. Statements end with `;`, comments begin with `--` or stand between `/*` and `*/`. In \
            what follows `[x]` may be left out, `a | b` is a choice. Examples follow each other: they run, in this order, \
            with every test. Functions are in [sql-functions.md](sql-functions.md), the server in \
            [sql-server.md](sql-server.md).
            """)
        page.table(
            ["", "statements"],
            StatementCatalog.sections.map { section in
                [section.title, section.entries.map(\.title).joined(separator: ", ")]
            })
        for section in StatementCatalog.sections {
            page.heading(2, section.title)
            for entry in section.entries {
                page.heading(3, entry.title)
                page.code("", entry.syntax)
                page.paragraph(entry.text)
                // The mark tells the tests what a server and its shell can run.
                page.code(entry.place == .tests ? "sql" : "sql run", entry.examples.joined(separator: "\n"))
            }
        }
        page.heading(2, "Properties of WITH")
        page.paragraph("Names count in any case; an unknown one is refused with the nearest.")
        page.table(
            ["property", "of", ""],
            StatementCatalog.properties.map { [Markdown.code($0.name), $0.statements, Markdown.cell($0.text)] })
        page.heading(2, "Formats")
        page.table(
            ["format", "schema registry", ""],
            StatementCatalog.formats.map { [Markdown.code($0.name), $0.registry, Markdown.cell($0.text)] })
        page.heading(2, "Properties of the server")
        page.paragraph(
            """
            For `--config`, `--set` and `SWIFTWATER_SET_...`. Those with *yes* may be given by `SET`, and by clients with \
            a request. Properties of Kafka Streams and of its clients have `ksql.streams.` in front in the server's \
            configuration.
            """)
        page.table(
            ["property", "default", "SET", ""],
            (PropertyCatalog.server + PropertyCatalog.streams).map { property in
                [
                    Markdown.code(property.name), Markdown.code(property.defaultValue),
                    property.isEditable ? "yes" : "", Markdown.cell(property.documentation),
                ]
            })
        return page.text
    }
}
