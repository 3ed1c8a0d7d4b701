import SQLFunctions

/// `docs/sql-functions.md`: every function with its signatures, from the catalogue that statements are checked against.
enum FunctionReference {
    static var text: String {
        let catalog = FunctionCatalog.builtIn
        var page = Markdown(title: "Functions of streaming SQL", from: "the catalogue of functions")
        page.paragraph(
            """
            \(catalog.scalars.count) scalar, \(catalog.aggregates.count) aggregate and \(catalog.tables.count) table \
            functions. Names count in any case. `T...` is an argument that may be given any number of times; `A`, `B`, \
            `K`, `T` and `V` stand for any type, the same wherever they occur in a signature. Arguments of smaller numeric \
            types are widened. The result is null when an argument is, unless the text says otherwise. A server tells the \
            same with `SHOW FUNCTIONS` and `DESCRIBE FUNCTION name`. Statements are in [sql-reference.md](sql-reference.md).
            """)
        let listing = catalog.listing
        let categories = FunctionCategory.allCases.filter { category in listing.contains { $0.category == category } }
        page.table(
            ["category", "functions"],
            categories.map { category in
                let names = listing.filter { $0.category == category }.map(\.name)
                return [
                    "[\(title(category))](#\(anchor(category)))", names.map { "`\($0)`" }.joined(separator: ", "),
                ]
            })
        for category in categories {
            page.heading(2, title(category))
            for (name, _) in listing.filter({ $0.category == category }) { add(name, catalog, to: &page) }
        }
        return page.text
    }

    private static func add(_ name: String, _ catalog: FunctionCatalog, to page: inout Markdown) {
        guard let function = try? catalog.documentation(of: name) else { return }  // every listed name has one
        page.heading(3, function.name)
        var sentences = [function.overview]
        if catalog.scalars[name]?.isVolatile == true {
            sentences.append("The same arguments may give another result.")
        }
        if catalog.scalars[name]?.isLazy == true { sentences.append("Arguments are evaluated only as far as needed.") }
        if let aggregate = catalog.aggregates[name] {
            sentences.append(aggregate.hasUndo ? "Over streams and tables." : "Over streams only.")
        }
        page.paragraph(Markdown.cell(sentences.filter { !$0.isEmpty }.joined(separator: " ")))
        page.list(
            function.variations.map { variation in
                let own = variation.description == function.overview ? "" : ": \(Markdown.cell(variation.description))"
                let result = variation.returns.isEmpty ? "" : " → `\(variation.returns)`"
                return "`\(variation.signature)`\(result)\(own)"
            })
    }

    private static func title(_ category: FunctionCategory) -> String {
        switch category {
        case .aggregate: "Aggregates"
        case .conditional: "Conditions and nulls"
        case .dateTime: "Date and time"
        case .array: "Arrays"
        case .map: "Maps"
        case .lambda: "Lambdas"
        case .mathematical: "Numbers"
        case .regularExpression: "Regular expressions"
        case .string: "Texts"
        case .bytes: "Bytes"
        case .json: "JSON"
        case .table: "Table functions"
        case .url: "URLs"
        case .other: "Others"
        }
    }

    private static func anchor(_ category: FunctionCategory) -> String {
        title(category).lowercased().replacing(" ", with: "-")
    }
}
