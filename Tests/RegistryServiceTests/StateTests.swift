import RegistryService
import SchemaRules
import TestKit
import Testing

func stored(_ text: String, references: [StoredReference] = []) -> StoredSchema {
    StoredSchema(type: .avro, text: Array(text.utf8), references: references)
}

func record(
    _ subject: String, _ version: Int32, _ id: Int32, _ text: String, references: [StoredReference] = [],
    isDeleted: Bool = false
) -> RegistryRecord {
    .schema(
        SchemaRecord(
            subject: subject, version: version, id: id, schema: stored(text, references: references),
            isDeleted: isDeleted))
}

extension RegistryState {
    /// The sum of records at the offsets 0, 1, 2 ...
    init(_ records: [RegistryRecord]) {
        self.init()
        for (offset, record) in records.enumerated() {
            apply(record, offset: Int64(offset), timestamp: Int64(offset) * 10)
            position = Int64(offset) + 1
        }
    }

    /// Versions of a subject, deleted ones in brackets.
    func summary(_ subject: String) -> String {
        (self.subject(subject)?.versions ?? []).map {
            $0.isDeleted ? "(\($0.number):\($0.id))" : "\($0.number):\($0.id)"
        }
        .joined(separator: " ")
    }
}

@Suite struct StateTests {
    @Test func `versions add up, ids are counted by context`() {
        let state = RegistryState([
            record("a", 1, 1, "x"), record("a", 2, 7, "y"), record(":.c:a", 1, 1, "z"), record("b", 1, 1, "x"),
        ])
        #expect(state.summary("a") == "1:1 2:7")
        #expect(state.summary(":.c:a") == "1:1")
        #expect(state.idMax(in: ".") == 7)
        #expect(state.idMax(in: ".c") == 1)
        #expect(state.identifier(1, in: ".")?.uses == [SubjectVersion("a", 1), SubjectVersion("b", 1)])
        #expect(state.id(of: .init(stored("z")), in: ".c") == 1)
        #expect(state.id(of: .init(stored("z")), in: ".") == nil)
        #expect(state.contextList == [".", ".c"])
        #expect(state.versionCount == 4)
    }

    /// A topic may hold a version twice, with other references: the later record counts.
    @Test func `a version that comes again leaves no references behind`() {
        let reference = StoredReference(name: "r", subject: "b", version: 1)
        let target = SubjectVersion("b", 1)
        var state = RegistryState([record("b", 1, 1, "x"), record("a", 1, 2, "y", references: [reference])])
        #expect(state.referrers(to: target).count == 1)
        state.apply(record("a", 1, 2, "y"), offset: 2, timestamp: 0)
        #expect(state.referrers(to: target).isEmpty)
        state.apply(record("a", 1, 2, "y", references: [reference]), offset: 3, timestamp: 0)
        #expect(state.referrers(to: target).map(\.from) == [SubjectVersion("a", 1)])
        state.apply(record("a", 1, 2, "y", references: [reference], isDeleted: true), offset: 4, timestamp: 0)
        #expect(state.referrers(to: target).isEmpty)
    }

    @Test func `a soft deletion keeps what it deletes, a tombstone does not`() {
        var state = RegistryState([
            record("a", 1, 1, "x"), record("a", 2, 2, "y"), record("a", 3, 3, "z"), .deleteSubject("a", version: 2),
        ])
        #expect(state.summary("a") == "(1:1) (2:2) 3:3")
        #expect(state.subject("a")?.latest?.number == 3)
        #expect(state.identifier(1, in: ".") != nil)
        state.apply(.tombstone(subject: "a", version: 1), offset: 4, timestamp: 0)
        #expect(state.summary("a") == "(2:2) 3:3")
        #expect(state.identifier(1, in: ".") == nil)
        #expect(state.id(of: .init(stored("x")), in: ".") == nil)
        #expect(state.idMax(in: ".") == 3, "an id that was given is not given again")
        #expect(state.removalRevision == 1)
        #expect(state.cleared().removalRevision == 2, "nothing of the old topic may be taken for the new one's")
        state.apply(.tombstone(subject: "a", version: 2), offset: 5, timestamp: 0)
        state.apply(.tombstone(subject: "a", version: 3), offset: 6, timestamp: 0)
        #expect(state.subject("a") == nil)
        #expect(state.versionCount == 0)
    }

    @Test func `an id belongs to one schema for good`() {
        var state = RegistryState([record("a", 1, 1, "x")])
        #expect(state.apply(record("b", 1, 1, "y"), offset: 1, timestamp: 0) == .idTaken(1))
        #expect(state.subject("b") == nil)
        #expect(state.apply(record("b", 1, 1, "x"), offset: 2, timestamp: 0) == .done)
        #expect(state.summary("b") == "1:1")
    }

    @Test func `references are known while who refers is not deleted`() {
        let reference = StoredReference(name: "x", subject: "x", version: 1)
        var state = RegistryState([
            record(":.c:x", 1, 1, "x"), record(":.c:a", 1, 2, "a", references: [reference]),
        ])
        let place = SubjectVersion(":.c:x", 1)
        #expect(state.referrers(to: place).map(\.id) == [2])
        #expect(state.referrers(to: SubjectVersion("x", 1)).isEmpty, "in the context of who refers")
        state.apply(.deleteSubject(":.c:a", version: 1), offset: 2, timestamp: 0)
        #expect(state.referrers(to: place).isEmpty)
    }

    @Test func `clearing takes away what is deleted, in its scope`() {
        var state = RegistryState([
            record("a", 1, 1, "x", isDeleted: true), record("a", 2, 2, "y"),
            record(":.c:a", 1, 1, "x", isDeleted: true),
            .clearSubject("a"),
        ])
        #expect(state.summary("a") == "2:2")
        #expect(state.summary(":.c:a") == "(1:1)")
        state.apply(.clearSubject(":.c:"), offset: 4, timestamp: 0)
        #expect(state.subject(":.c:a") == nil)
    }

    @Test func `versions are in order however they come`() {
        let state = RegistryState([record("a", 9, 1, "x"), record("a", 3, 2, "y"), record("a", 5, 3, "z")])
        #expect(state.summary("a") == "3:2 5:3 9:1")
        #expect(state.version("a", 5)?.id == 3)
        #expect(state.version("a", 4) == nil)
        #expect(state.version("a", 10) == nil)
    }

    /// Which scope says what holds: the subject, its context, all contexts, the server's default.
    @Test(
        arguments: [
            ([], "s", .backward), ([(nil, .full)], "s", .full), ([(nil, .full), ("s", .none)], "s", .none),
            ([(nil, .full)], ":.c:s", .backward), ([(":.c:", .forward), (nil, .full)], ":.c:s", .forward),
            ([(":.__GLOBAL:", .none)], ":.c:s", .none), ([(":.__GLOBAL:", .none)], "s", .none),
            ([(":.__GLOBAL:", .none), (nil, .full)], "s", .full),
        ] as [([(String?, CompatibilityLevel)], String, CompatibilityLevel)])
    func `settings hold by scope`(
        set: [(String?, CompatibilityLevel)], subject: String, level: CompatibilityLevel
    ) {
        let state = RegistryState(set.map { .config(subject: $0.0, RegistryConfig(level: $0.1)) })
        #expect(state.configInForce(subject, default: .backward).level == level)
    }

    @Test(
        arguments: [
            ([], "s", .readWrite), ([(nil, .readOnly)], "s", .readOnly),
            ([(nil, .readOnly), ("s", .readWrite)], "s", .readWrite),
            ([(nil, .readOnlyOverride), ("s", .readWrite)], "s", .readOnlyOverride),
            ([(nil, .readOnlyOverride)], ":.c:s", .readOnlyOverride), ([(nil, .readOnly)], ":.c:s", .readWrite),
            ([(":.c:", .import)], ":.c:s", .import),
        ] as [([(String?, RegistryMode)], String, RegistryMode)])
    func `modes hold by scope`(set: [(String?, RegistryMode)], subject: String, mode: RegistryMode) {
        let state = RegistryState(set.map { .mode(subject: $0.0, $0.1) })
        #expect(state.modeInForce(subject) == mode)
    }

    /// Whatever happens to a few subjects: the indexes agree with the versions that there are.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `indexes agree with versions`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var state = RegistryState()
        let subjects = ["a", "b", ":.c:a", ":.c:b"]
        for offset in 0..<400 as Range<Int64> {
            let subject = subjects[Int.random(in: 0..<4, using: &random)]
            let version = Int32.random(in: 1...6, using: &random)
            let number = Int32.random(in: 1...5, using: &random)
            let change: RegistryRecord =
                switch Int.random(in: 0..<10, using: &random) {
                case 0: .deleteSubject(subject, version: version)
                case 1: .clearSubject(subject)
                case 2, 3: .tombstone(subject: subject, version: version)
                case 4: record(subject, version, number, "text \(number)", isDeleted: true)
                default: record(subject, version, number, "text \(number)")
                }
            state.apply(change, offset: offset, timestamp: offset)
            check(state, subjects)
        }
    }

    private func check(_ state: RegistryState, _ subjects: [String]) {
        var count = 0
        var used: Set<String> = []
        for subject in subjects {
            guard let entry = state.subject(subject) else { continue }
            #expect(!entry.versions.isEmpty)
            #expect(entry.versions.map(\.number) == Set(entry.versions.map(\.number)).sorted())
            count += entry.versions.count
            let context = SubjectName(subject).context
            for version in entry.versions {
                used.insert("\(context) \(version.id)")
                let identifier = state.identifier(version.id, in: context)
                #expect(identifier?.schema == version.schema)
            }
        }
        #expect(state.versionCount == count)
        for context in [".", ".c"] {
            for id in 1...5 as ClosedRange<Int32> {
                for use in state.identifier(id, in: context)?.uses ?? [] {
                    #expect(state.version(use.subject, use.version)?.id == id)
                }
            }
        }
    }
}
