import Environment
import JSONFormat
import NIOHTTP1
import SQLClient

/// Looks whether the stages of a running pipeline give what they must.
struct DemoVerification {
    let rows: DemoRows
    let platform: DemoPlatform
    /// Variables of the pipeline, by name.
    let variables: [String: String]
    /// How long each stage may take.
    let limit: Duration

    /// - Returns: what was seen, for people.
    /// - Throws: `CommandFailure` that names the stage and what is wrong.
    func check(_ stage: DemoStage) async throws -> String {
        let outcome: Outcome
        do {
            outcome = try await look(stage.check)
        } catch let failure as SQLFailure {
            outcome = .wrong(failure.message)
        } catch let failure as CommandFailure {
            outcome = .wrong(failure.message)
        }
        switch outcome {
        case .right(let seen): return seen
        case .wrong(let why):
            try Task.checkCancellation()
            throw CommandFailure(
                "stage '\(stage.name)' failed (\(stage.says)): \(why)", hint: await failedConnectors())
        }
    }

    /// The folder of the data lake.
    var lake: String {
        let url = variables["lake"] ?? ""
        return url.hasPrefix("file://") ? String(url.dropFirst("file://".count)) : url
    }

    private enum Outcome {
        case right(String)
        case wrong(String)
    }

    private func look(_ check: DemoStage.Check) async throws -> Outcome {
        switch check {
        case .rows(let query, let count, let expect, let each):
            return try await rows(query, count, expect, each)
        case .subject(let subject):
            return try await until("the registry has no schema \(subject)") {
                let url = "\(platform.registry)/subjects/\(subject)/versions/latest"
                let answer = try await DemoCalls.exchange(.GET, url)
                return answer.status == 200 ? "version \(answer.body["version"]?.integer ?? 0)" : nil
            }
        case .messages(let text, let count):
            return try await until("no message came to the webhook") {
                let messages = try await platform.console.messages().filter { $0.contains(text) }
                guard let last = messages.last, messages.count >= count else { return nil }
                return "\(messages.count) so far: \(last)"
            }
        case .dashboard(let id):
            return try await until("the console has no dashboard '\(id)'") {
                try await platform.console.panelCount(id).map { "\($0) panels" }
            }
        case .files(let folder, let count):
            let path = lake + "/" + folder
            return try await until("no whole Parquet file is in \(path)") {
                let files = Self.parquetFiles(path)
                return files.count >= count ? "\(files.count) so far: \(files.first ?? "")" : nil
            }
        case .index(let index, let count):
            let server = variables["search"] ?? ""
            return try await until("the search server has less than \(count) documents in \(index)") {
                // Documents count when the server has made them visible, which it does by itself from time to time.
                _ = try await DemoCalls.exchange(.POST, "\(server)/\(index)/_refresh")
                let answer = try await DemoCalls.exchange(.GET, "\(server)/\(index)/_count")
                guard let found = answer.body["count"]?.integer, found >= count else { return nil }
                return "\(found) documents so far"
            }
        case .connectors(let names):
            for name in names {
                let url = "\(platform.connect)/connectors/\(name)/status"
                let outcome = try await until("connector \(name) does not run") {
                    let status = try await DemoCalls.exchange(.GET, url).body
                    let tasks = status["tasks"]?.elements ?? []
                    let states = [status["connector"]?["state"]?.text] + tasks.map { $0["state"]?.text }
                    return !tasks.isEmpty && states.allSatisfy { $0 == "RUNNING" } ? "running" : nil
                }
                if case .wrong = outcome { return outcome }
            }
            return .right(names.joined(separator: ", "))
        }
    }

    private func rows(
        _ query: String, _ count: Int, _ expect: [JSONValue], _ each: JSONValue?
    ) async throws -> Outcome {
        let end = ContinuousClock.now + limit
        while true {
            // A pull query answers what there is now, so it is asked again; a push query waits by itself.
            let found = try await rows.first(count, of: query, within: max(.zero, end - .now)).rows
            let problem = DemoStage.problem(of: found, count: count, expect: expect, each: each)
            guard let problem else {
                let row = found.last.map { $0.map(DemoRows.text).joined(separator: ", ") } ?? ""
                return .right("\(found.count) \(found.count == 1 ? "row" : "rows"), the last: \(row)")
            }
            guard found.count < count, .now < end, !Task.isCancelled else { return .wrong(problem) }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Asks until there is an answer or time is over.
    private func until(_ problem: String, _ ask: () async throws -> String?) async throws -> Outcome {
        let end = ContinuousClock.now + limit
        while true {
            if let seen = try await ask() { return .right(seen) }
            guard .now < end else { return .wrong(problem) }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Of a folder and those in it: files that begin and end as Parquet's do.
    static func parquetFiles(_ folder: String) -> [String] {
        let disk = RealDisk()
        // A folder that is not there yet has no files, and a name without names in it is no folder.
        guard let names = try? disk.list(folder) else { return [] }
        return names.sorted().flatMap { name -> [String] in
            let path = folder + "/" + name
            guard name.hasSuffix(".parquet") else { return parquetFiles(path) }
            guard !name.hasPrefix("."), let file = try? disk.open(path, create: false),
                let size = try? file.byteCount(), size > 12, let head = try? file.read(at: 0, count: 4),
                let tail = try? file.read(at: size - 4, count: 4)
            else { return [] }
            return head == Array("PAR1".utf8) && tail == head ? [path] : []
        }
    }

    /// The connectors that have failed and the first line of why; nil when there are none.
    private func failedConnectors() async -> String? {
        // Only for the hint.
        guard let all = try? await DemoCalls.exchange(.GET, "\(platform.connect)/connectors?expand=status").body.members
        else { return nil }
        let lines = all.flatMap { name, connector -> [String] in
            let status = connector["status"]
            let parts = [status?["connector"]].compactMap { $0 } + (status?["tasks"]?.elements ?? [])
            return parts.filter { $0["state"]?.text == "FAILED" }.map { part in
                let trace = part["trace"]?.text?.split(whereSeparator: \.isNewline).first ?? ""
                return "connector \(name) has failed: \(trace)"
            }
        }
        return lines.isEmpty ? nil : lines.joined(separator: "\n        ")
    }
}
