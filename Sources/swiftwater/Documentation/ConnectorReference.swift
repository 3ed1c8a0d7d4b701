import ConnectCore
import ConnectService

/// `docs/connector-options.md`: every option of every connector, transform and predicate, from the definitions that
/// configurations are checked against.
enum ConnectorReference {
    static var text: String {
        var page = Markdown(title: "Options of connectors", from: "the connectors' definitions of their options")
        page.paragraph(
            """
            What each connector does and promises is in [connectors.md](connectors.md). A worker tells the same with \
            `swiftwater connect plugins CLASS` and `GET /connector-plugins/CLASS/config`. An option whose default is \
            *required* has to be given. Any other name is taken, too, as in the original; where one is near to a known \
            name, the log of the worker tells both when the connector is made or changed.
            """)
        let plugins = PluginRegistry(ConnectorPlugins.all(histories: nil, responses: nil)).plugins
        let available = plugins.filter { !$0.definition.options.isEmpty }
        for kind in ["source", "sink"] {
            page.heading(2, kind == "source" ? "Sources" : "Sinks")
            for plugin in available where PluginRegistry.type(plugin) == kind { add(plugin, to: &page) }
        }
        let others = plugins.filter { $0.definition.options.isEmpty }.flatMap(\.classNames)
        if !others.isEmpty {
            page.paragraph("Known by name only, and refused with what there is: \(codes(others)).")
        }

        page.heading(2, "Every source")
        page.table(columns, rows(ConnectorConfig.definition(.source, [:], version: Swiftwater.version)))
        page.heading(2, "Every sink")
        page.table(columns, rows(ConnectorConfig.definition(.sink, [:], version: Swiftwater.version)))

        page.heading(2, "Converters")
        page.paragraph("For `key.converter` and `value.converter`: \(codes(ConverterPlugins.names)).")
        page.paragraph("For `header.converter`: \(codes(ConverterPlugins.headerNames)).")

        for name in ConverterPlugins.names {
            guard let definition = ConverterOptions.definition(name), definition["schema.registry.url"] != nil else {
                continue
            }
            page.heading(3, lastPart(name))
            page.paragraph(codes([name]) + ": options stand behind `key.converter.` and `value.converter.`.")
            addOptions(definition, to: &page)
        }

        page.heading(2, "Transforms")
        page.paragraph(
            """
            `transforms=a,b` names them, `transforms.a.type` is the class, other options stand behind `transforms.a.`. \
            `transforms.a.predicate` and `transforms.a.negate` make one depend on a predicate.
            """)
        for (classNames, definition) in transforms {
            page.heading(3, lastPart(classNames.first ?? "").split(separator: "$").first.map(String.init) ?? "")
            page.paragraph(codes(classNames))
            addOptions(definition, to: &page)
        }
        page.heading(2, "Predicates")
        page.paragraph("`predicates=p` names them, `predicates.p.type` is the class.")
        for plugin in TransformPlugins.predicates {
            page.heading(3, lastPart(plugin.className))
            page.paragraph(codes([plugin.className]))
            addOptions(plugin.definition, to: &page)
        }
        return page.text
    }

    private static func add(_ plugin: any ConnectorPlugin, to page: inout Markdown) {
        page.heading(3, lastPart(plugin.classNames.first ?? ""))
        page.paragraph(codes(plugin.classNames))
        addOptions(plugin.definition, to: &page)
    }

    private static func addOptions(_ definition: ConfigDef, to page: inout Markdown) {
        let rows = rows(definition)
        if rows.isEmpty { page.paragraph("No options.") } else { page.table(columns, rows) }
    }

    private static let columns = ["option", "type", "default", "importance", ""]

    private static func rows(_ definition: ConfigDef) -> [[String]] {
        definition.options.filter { !$0.isInternal }.map { option in
            [
                Markdown.code(option.name), option.kind.rawValue.lowercased(), defaultText(option),
                option.importance.rawValue.lowercased(), Markdown.cell(option.documentation),
            ]
        }
    }

    private static func defaultText(_ option: ConfigDef.Option) -> String {
        switch option.defaultValue {
        case .required: "*required*"
        case .null: ""
        case .value(let item): item.text.map { $0.isEmpty ? "empty" : Markdown.code($0) } ?? ""
        }
    }

    /// Those for keys and values of one kind together, in the order of their names, and of their classes where two
    /// have one name (`Filter`): the text is the same each time.
    private static var transforms: [(classNames: [String], definition: ConfigDef)] {
        var groups: [String: (classNames: [String], definition: ConfigDef)] = [:]
        for plugin in TransformPlugins.transforms {
            let base = plugin.className.split(separator: "$").first.map(String.init) ?? plugin.className
            groups[base, default: ([], plugin.definition)].classNames.append(plugin.className)
        }
        return groups.sorted { (lastPart($0.key), $0.key) < (lastPart($1.key), $1.key) }.map(\.value)
    }

    private static func lastPart(_ className: String) -> String {
        className.split(separator: ".").last.map(String.init) ?? className
    }

    private static func codes(_ names: [String]) -> String { names.map { "`\($0)`" }.joined(separator: ", ") }
}
