/// The drafts of JSON Schema that people use.
package enum Draft: Int, Sendable, Comparable, CaseIterable {
    case draft4 = 4
    case draft6 = 6
    case draft7 = 7
    case draft2019 = 8
    case draft2020 = 9

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// The address of the schema that describes schemas of this draft.
    package var metaSchema: String {
        switch self {
        case .draft4: "http://json-schema.org/draft-04/schema"
        case .draft6: "http://json-schema.org/draft-06/schema"
        case .draft7: "http://json-schema.org/draft-07/schema"
        case .draft2019: "https://json-schema.org/draft/2019-09/schema"
        case .draft2020: "https://json-schema.org/draft/2020-12/schema"
        }
    }

    /// The draft that `$schema` names, whether or not the address has an empty fragment or the other one of http and
    /// https; nil when it is none of these.
    package init?(schemaKeyword address: String) {
        func bare(_ text: String) -> Substring {
            let text = text.hasSuffix("#") ? text.dropLast() : text[...]
            return text.hasPrefix("https:") ? text.dropFirst(6) : text.hasPrefix("http:") ? text.dropFirst(5) : text
        }
        guard let draft = Self.allCases.first(where: { bare($0.metaSchema) == bare(address) }) else { return nil }
        self = draft
    }

    /// The keyword by which a schema gives itself an address.
    package var idKeyword: String { self == .draft4 ? "id" : "$id" }

    /// Until draft 7, everything beside a `$ref` is without meaning.
    package var refStandsAlone: Bool { self <= .draft7 }

    /// How a keyword's value holds schemas.
    package enum Holding: Sendable {
        case schema
        case list
        case map
        /// `items` of the drafts until 2019-09.
        case schemaOrList
        /// `dependencies`: a map whose arrays are no schemas.
        case mapOfSchemas
    }

    /// The keywords of this draft that hold schemas.
    package var subschemas: [(keyword: String, holding: Holding)] { Self.tables[self] ?? [] }

    private static let tables: [Draft: [(keyword: String, holding: Holding)]] = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0, $0.table) })

    private var table: [(keyword: String, holding: Holding)] {
        var known: [(String, Holding)] = [
            ("definitions", .map), ("properties", .map), ("patternProperties", .map),
            ("additionalProperties", .schema), ("dependencies", .mapOfSchemas), ("allOf", .list), ("anyOf", .list),
            ("oneOf", .list), ("not", .schema),
        ]
        known.append(("items", self < .draft2020 ? .schemaOrList : .schema))
        if self < .draft2020 { known.append(("additionalItems", .schema)) }
        if self >= .draft6 { known += [("contains", .schema), ("propertyNames", .schema)] }
        if self >= .draft7 { known += [("if", .schema), ("then", .schema), ("else", .schema)] }
        if self >= .draft2019 {
            known += [
                ("$defs", .map), ("dependentSchemas", .map), ("unevaluatedItems", .schema),
                ("unevaluatedProperties", .schema), ("contentSchema", .schema),
            ]
        }
        if self >= .draft2020 { known.append(("prefixItems", .list)) }
        return known
    }
}
