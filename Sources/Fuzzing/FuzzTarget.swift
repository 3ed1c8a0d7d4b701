import TestKit

/// Something that reads bytes from outside, with a way to make bytes that are almost right.
///
/// `run` does one try with everything drawn from its seed. It throws `FuzzFailure` when a rule is broken; what else may go
/// wrong, a trap, a hang, memory without bound, ends the process or is seen by its watcher.
struct FuzzTarget: Sendable {
    var name: String
    /// Tries that make one step of a run: as many as take some milliseconds.
    var stepCount: UInt64
    var run: @Sendable (_ random: inout SeededRandom) throws -> Void

    func run(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        try run(&random)
    }

    static let all = [
        messages, noise, batches, compression, logs, transactions, groups, sql,
        json, avroSchemas, avroValues, avroContainers, protoTexts, descriptors, protobufValues, jsonSchemas, payloads,
        registryRecords, keyStores,
    ]
}

/// A rule that a reader of bytes has broken.
struct FuzzFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

func require(_ condition: Bool, _ rule: @autoclosure () -> String) throws {
    if !condition { throw FuzzFailure(rule()) }
}
