import SQLPlan
import SQLSyntax
import Synchronization

/// A pull query by key, planned.
final class PreparedPull: Sendable {
    /// Of what it was planned by.
    let version: UInt64
    let pull: PullQuery
    let table: PullTable
    let configuration: SQLConfiguration
    /// nil where the statement is the same to the last byte, values included.
    let pattern: KeyPattern?
    /// What results begin with, by form.
    let heads: [ResultWriter.Form: ResultHead]

    init(
        version: UInt64, _ pull: PullQuery, _ table: PullTable, _ configuration: SQLConfiguration,
        _ pattern: KeyPattern?
    ) {
        self.version = version
        self.pull = pull
        self.table = table
        self.configuration = configuration
        self.pattern = pattern
        let forms: [ResultWriter.Form] = [.rows, .lines, .array]
        heads = Dictionary(uniqueKeysWithValues: forms.map { ($0, ResultHead($0, pull.columns)) })
    }

    /// What the query looks up with these values; nil where it takes the planner to say.
    func keys(_ values: [StatementShape.Value]) -> PullTable.Keys? {
        guard let pattern else { return table.keys }
        return pattern.keys(values).map { .keys($0) }
    }

    /// The query for other values.
    func query(_ keys: PullTable.Keys) -> PullQuery {
        var table = table
        table.keys = keys
        var pull = pull
        pull.source = .table(table)
        return pull
    }
}

/// The pull queries that were planned lately, by shape and properties of the session.
///
/// A plan is as good as what it was made by: any change of the catalog or of the server's properties makes all that was
/// planned before worthless, whatever it has changed.
final class PreparedPulls: Sendable {
    /// Queries of one kind; when there are more, all are forgotten: a client that sends new ones all the time gains nothing here.
    static let countMax = 500

    private struct Key: Hashable {
        var bytes: [UInt8]
        var properties: [String: String]
    }

    private struct State {
        var version: UInt64 = 0
        var byShape: [Key: PreparedPull] = [:]
        var byText: [Key: PreparedPull] = [:]
    }

    private let state = Mutex(State())

    /// - Parameter version: of what holds now.
    func find(
        _ text: String, _ shape: StatementShape, hasValues: Bool, _ properties: [String: String], version: UInt64
    ) -> PreparedPull? {
        state.withLock { state in
            guard state.version == version else { return nil }
            if hasValues, let found = state.byShape[Key(bytes: shape.bytes, properties: properties)] { return found }
            guard !state.byText.isEmpty else { return nil }
            return state.byText[Key(bytes: Array(text.utf8), properties: properties)]
        }
    }

    func keep(_ prepared: PreparedPull, _ text: String, _ shape: StatementShape, _ properties: [String: String]) {
        state.withLock { state in
            if prepared.version != state.version {
                // An older one comes from a statement that was under way when something changed.
                guard prepared.version > state.version else { return }
                state = State(version: prepared.version)
            }
            if prepared.pattern != nil {
                if state.byShape.count >= Self.countMax { state.byShape = [:] }
                state.byShape[Key(bytes: shape.bytes, properties: properties)] = prepared
            } else {
                if state.byText.count >= Self.countMax { state.byText = [:] }
                state.byText[Key(bytes: Array(text.utf8), properties: properties)] = prepared
            }
        }
    }

    var count: Int { state.withLock { $0.byShape.count + $0.byText.count } }
}
