package import SQLFormats
import SQLTypes

/// What a change of a schema does to the streams, tables and queries of a catalog.
package struct CatalogImpact {
    package enum Kind: Sendable { case stream, table, query }

    package struct Finding: Hashable {
        package var kind: Kind
        package var name: String
        /// Whether data is lost or null that was there before.
        package var breaks: Bool
        package var reason: String
    }

    /// Who writes records with schemas of the subject.
    package struct Writer: Hashable {
        package var kind: Kind
        package var name: String
        /// Derived from the columns; nil: the one of `schemaID`.
        package var schema: RegistrySchema?
        package var schemaID: Int32?
    }

    package var findings: [Finding] = []
    package var writers: [Writer] = []
}

extension Catalog {
    /// Follows a change from the streams and tables whose records have the schema through the queries that read them, into
    /// what these write, and on.
    package func impact(of change: SchemaChange) -> CatalogImpact {
        var damage: [String: SourceDamage] = [:]
        var traces: [String: PlanTrace] = [:]
        var impact = CatalogImpact()
        var waiting: [String] = []
        for name in sourceNames {
            guard let source = sources[name] else { continue }
            for (format, isKey, columns) in [
                (source.keyFormat, true, source.keyColumns), (source.valueFormat, false, source.valueColumns),
            ] where !columns.isEmpty && change.concerns(format, topic: source.topic, isKey: isKey) {
                let found = change.damage(columns, format)
                if !found.isNothing {
                    damage[name, default: SourceDamage()].formUnion(found)
                    waiting.append(name)
                }
                impact.writers += writers(to: source, format, columns, isKey: isKey)
            }
        }
        // Damage only grows, and there is only so much: this ends.
        while let name = waiting.popLast() {
            guard damage[name]?.breaks ?? false else { continue }
            for query in queries(from: name) {
                let trace = PlanTrace(query.plan.root, damage)
                guard !trace.isNothing else { continue }
                traces[query.id] = trace
                guard let sink = query.plan.sinkName, sources[sink] != nil else { continue }
                var grown = damage[sink] ?? SourceDamage()
                grown.formUnion(trace.damage(query.plan.root.schema, by: query.id))
                if grown != damage[sink] {
                    damage[sink] = grown
                    waiting.append(sink)
                }
            }
        }
        for name in sourceNames {
            guard let source = sources[name], let damage = damage[name], !damage.isNothing else { continue }
            impact.findings.append(
                .init(
                    kind: source.isTable ? .table : .stream, name: name, breaks: damage.breaks,
                    reason: damage.reasons.joined(separator: "; ")))
        }
        for id in queryIDs {
            guard let trace = traces[id] else { continue }
            impact.findings.append(.init(kind: .query, name: id, breaks: true, reason: trace.reason))
        }
        return impact
    }

    /// Queries into a stream or table, or, without any, whoever inserts rows.
    private func writers(
        to source: SourceDescription, _ format: SerdeFormat, _ columns: [SQLColumn], isKey: Bool
    ) -> [CatalogImpact.Writer] {
        let fields = columns.map { SQLField($0.name, $0.type) }
        // Who names the schema by its id registers nothing.
        let schema = format.info.schemaID == nil ? try? RegistrySchemas.schema(of: fields, format: format) : nil
        guard schema != nil || format.info.schemaID != nil else { return [] }
        let queries = queries(into: source.name)
        if queries.isEmpty {
            guard !source.isReadOnly, !source.isResultOfQuery else { return [] }
            return [
                .init(
                    kind: source.isTable ? .table : .stream, name: source.name, schema: schema,
                    schemaID: format.info.schemaID)
            ]
        }
        return queries.map { .init(kind: .query, name: $0.id, schema: schema, schemaID: format.info.schemaID) }
    }
}

extension SourceDamage {
    mutating func formUnion(_ other: SourceDamage) {
        func add(_ more: [String], to list: inout [String]) {
            for text in more where !list.contains(text) { list.append(text) }
        }
        add(other.unreadable, to: &unreadable)
        add(other.uncertain, to: &uncertain)
        add(other.rows, to: &rows)
        add(other.notes, to: &notes)
        columns.merge(other.columns) { first, _ in first }
    }
}

extension PlanTrace {
    /// Nothing that is read is another.
    var isNothing: Bool { rows.isEmpty && reads.isEmpty }

    var reason: String {
        var parts: [String] = []
        if !reads.isEmpty { parts.append("reads \(reads.sorted().joined(separator: ", "))") }
        parts += rows.sorted()
        return parts.joined(separator: "; ")
    }

    /// What it does to the stream or table that the query writes.
    func damage(_ schema: RowSchema, by query: String) -> SourceDamage {
        var damage = SourceDamage()
        for (index, origins) in columns where schema.columns.indices.contains(index) && !origins.isEmpty {
            let name = schema.columns[index].name
            damage.columns[name] =
                "column \(name) comes from \(origins.sorted().joined(separator: ", ")) by query \(query)"
        }
        if !rows.isEmpty {
            damage.rows.append("its rows come from query \(query): \(rows.sorted().joined(separator: "; "))")
        }
        return damage
    }
}
