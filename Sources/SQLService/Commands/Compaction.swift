import Cluster
import Logging
import SQLPlan
import SQLSyntax
import Synchronization

/// Leaves out of a history of commands those that mean nothing any more: what was dropped, terminated, replaced.
///
/// Which commands those might be is only a guess; whether the rest comes to the same catalog is found by executing it.
struct Compaction {
    /// Executes a command on a catalog; nil when it fails.
    var perform: (Command, Catalog) -> Catalog?

    /// - Returns: the commands that come to `catalog` as well; nil when no shorter history was found.
    func compact(_ history: [Command], to catalog: Catalog, properties: [String: String]) -> [Command]? {
        for keepsTypes in [false, true] {
            let kept = Self.candidates(history, keepsTypes: keepsTypes)
            guard kept.count < history.count else { continue }
            if let result = replay(kept), Self.isSame(result.catalog, catalog), result.properties == properties {
                return kept
            }
        }
        return nil
    }

    private func replay(_ commands: [Command]) -> (catalog: Catalog, properties: [String: String])? {
        var catalog = Catalog()
        var properties: [String: String] = [:]
        for command in commands {
            if let parsed = try? SQLParser.statement(command.statement),
                case .alterSystemProperty(let name, let value) = parsed.statement
            {
                properties[name] = value
                continue
            }
            guard let next = perform(command, catalog) else { return nil }
            catalog = next
        }
        return (catalog, properties)
    }

    /// Without the lives of streams, tables and types that have ended, and without queries that have.
    private static func candidates(_ history: [Command], keepsTypes: Bool) -> [Command] {
        var isKept = Array(repeating: true, count: history.count)
        /// Commands about what lives, by kind and name.
        var lives: [String: [Int]] = [:]
        var insertions: [String: Int] = [:]
        func end(_ key: String, with last: Int) {
            for index in lives[key] ?? [] { isKept[index] = false }
            lives[key] = nil
            isKept[last] = false
        }
        for (index, command) in history.enumerated() {
            guard let parsed = try? SQLParser.statement(command.statement) else { continue }
            switch parsed.statement {
            case .createSource(let create): lives["source/" + create.name.text, default: []].append(index)
            case .createSourceAs(let create): lives["source/" + create.name.text, default: []].append(index)
            case .alterSource(let alter): lives["source/" + alter.name.text, default: []].append(index)
            case .dropSource(let drop): end("source/" + drop.name.text, with: index)
            case .createType(let create) where !keepsTypes:
                lives["type/" + create.name.text.uppercased(), default: []].append(index)
            case .dropType(let name, _) where !keepsTypes: end("type/" + name.text.uppercased(), with: index)
            case .insertInto(let insert):
                if let id = queryID(insert, command) { insertions[id] = index }
            case .terminate(.query(let id)):
                // Of CREATE ... AS, the stream or table stays, and so must both commands.
                if let insertion = insertions.removeValue(forKey: id.text) {
                    isKept[insertion] = false
                    isKept[index] = false
                }
            default: break
            }
        }
        // PAUSE and RESUME of queries that are gone would fail, and what fails changes nothing.
        return history.indices.filter { isKept[$0] && !isAboutGone(history, $0, isKept) }.map { history[$0] }
    }

    private static func queryID(_ insert: InsertInto, _ command: Command) -> String? {
        for entry in insert.properties.entries where entry.name.text.uppercased() == "QUERY_ID" {
            if case .string(let text) = entry.value { return text.uppercased() }
        }
        return "INSERTQUERY_\(command.number)"
    }

    /// Whether a command pauses, resumes or ends a query whose beginning is not kept.
    private static func isAboutGone(_ history: [Command], _ index: Int, _ isKept: [Bool]) -> Bool {
        let command = history[index]
        guard ["pause", "resume", "terminate"].contains(command.id.type), command.id.entity != "ALL",
            let suffix = command.id.entity.split(separator: "_").last, let number = Int64(suffix),
            let begin = history[..<index].firstIndex(where: { $0.number == number })
        else { return false }
        return !isKept[begin]
    }

    static func isSame(_ a: Catalog, _ b: Catalog) -> Bool {
        a.sources == b.sources && a.sourceNames == b.sourceNames && a.types == b.types && a.queries == b.queries
            && a.queryIDs == b.queryIDs
            && a.sourceNames.allSatisfy { a.dependents(of: $0) == b.dependents(of: $0) }
    }
}

extension SQLEngine {
    /// Records that mean nothing before it is worth the work.
    private static let deadCountMin = 100

    /// Shortens the command topic when most of it means nothing any more.
    func compactIfWorthwhile() async {
        let (history, recordCount, catalog, system) = state.withLock {
            ($0.history, $0.recordCount, $0.catalog, $0.systemProperties)
        }
        let lives = catalog.sourceNames.count + catalog.queryIDs.count + catalog.types.count + system.count
        guard recordCount >= Self.deadCountMin, recordCount > 3 * lives else { return }
        await compact(history, catalog, system)
    }

    /// - Returns: whether records were removed.
    @discardableResult
    func compact(_ history: [Command], _ catalog: Catalog, _ system: [String: String]) async -> Bool {
        // Commands of the original have no surroundings: what they came to cannot be found again.
        guard settings.script == nil, history.allSatisfy({ $0.surroundings != nil }) else { return false }
        // Commands that failed are in the topic only: a program that understands them may come.
        guard state.withLock({ $0.failedCount == 0 }) else { return false }
        let compaction = Compaction { command, catalog in
            guard let surroundings = command.surroundings,
                let parsed = try? SQLParser.statement(command.statement)
            else { return nil }
            var before = catalog
            before.nextQueryNumber = Int(command.number)
            let replayed = ReplayedSurroundings(surroundings)
            let environment = self.environment(
                self.configuration(of: command), topics: replayed, registry: replayed.registry, rules: replayed.rules)
            return try? Self.perform(parsed, environment, before).1
        }
        let kept = compaction.compact(history, to: catalog, properties: system) ?? history
        let recordCount = state.withLock { $0.recordCount }
        guard kept.count * 2 < recordCount else {
            // Not again before as many commands have come.
            state.withLock { $0.recordCount = min($0.recordCount, kept.count) }
            return false
        }
        do {
            guard try await log.rewrite(kept) else { return false }
        } catch {
            logger.warning("cannot shorten the command topic", metadata: ["error": "\(error.message)"])
            return false
        }
        state.withLock { state in
            let numbers = Set(history.map(\.number))
            state.history = kept + state.history.filter { !numbers.contains($0.number) }
            state.recordCount = state.history.count
        }
        logger.info(
            "shortened the command topic", metadata: ["before": "\(recordCount)", "after": "\(kept.count)"])
        return true
    }
}
