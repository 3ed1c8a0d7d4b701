import Foundation
import TestKit

/// Damages what the decoders and the log read, for as long as it is told to.
///
///     Fuzzing [--minutes N] [--seed S] [--target NAME] [--count N]
///
/// Every try has a seed; a try that fails is printed with the command that does it again. A trap kills the process: its
/// last line of output names the step, which `--each` takes apart. So does a step that takes longer than a minute.
/// Memory is bounded by a limit of the address space, beyond which an allocation kills the process as well.
@main struct Fuzzing {
    private static let addressSpaceMax: UInt = 4 << 30
    private static let residentMax = 512 << 20
    private static let stepSecondsMax: UInt32 = 60

    var minutes = 1.0
    var seed = UInt64.random(in: 0..<1 << 48)
    var count: UInt64?
    var names: [String] = []
    var printsEach = false

    static func main() {
        do {
            var fuzzing = try Self(CommandLine.arguments.dropFirst())
            try fuzzing.run()
        } catch {
            Self.say("fuzzing: \(error)")
            exit(1)
        }
    }

    init(_ arguments: some Sequence<String>) throws {
        var arguments = arguments.makeIterator()
        func number<T: LosslessStringConvertible>(_ option: String) throws -> T {
            guard let text = arguments.next(), let value = T(text) else {
                throw FuzzFailure("\(option) takes a number")
            }
            return value
        }
        while let option = arguments.next() {
            switch option {
            case "--minutes": minutes = try number(option)
            case "--seed": seed = try number(option)
            case "--count": count = try number(option)
            case "--each": printsEach = true
            case "--target":
                guard let name = arguments.next(), FuzzTarget.all.contains(where: { $0.name == name }) else {
                    throw FuzzFailure("--target takes one of \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
                }
                names.append(name)
            default: throw FuzzFailure("there is no option \(option)")
            }
        }
    }

    mutating func run() throws {
        var limit = rlimit(rlim_cur: Self.addressSpaceMax, rlim_max: Self.addressSpaceMax)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
        let targets = FuzzTarget.all.filter { names.isEmpty || names.contains($0.name) }
        let start = ContinuousClock.now
        let end = start + .seconds(minutes * 60)
        var tries: [String: UInt64] = [:]
        var failures = 0
        repeat {
            for target in targets {
                let steps = count ?? target.stepCount
                Self.say("step --target \(target.name) --seed \(seed) --count \(steps)")
                alarm(Self.stepSecondsMax)
                for number in 0..<steps {
                    if printsEach { Self.say("try --target \(target.name) --seed \(seed &+ number) --count 1") }
                    do { try target.run(seed: seed &+ number) } catch {
                        Self.say("FAILED --target \(target.name) --seed \(seed &+ number) --count 1: \(error)")
                        failures += 1
                    }
                }
                tries[target.name, default: 0] += steps
                let resident = Self.resident()
                guard resident < Self.residentMax else {
                    throw FuzzFailure("\(resident >> 20) MiB of memory after --target \(target.name) --seed \(seed)")
                }
            }
            seed = seed &+ 1_000_003
        } while count == nil && ContinuousClock.now < end && failures < 20
        alarm(0)
        for (name, count) in tries.sorted(by: { $0.key < $1.key }) { Self.say("\(name): \(count) tries") }
        Self.say("memory: \(Self.resident() >> 20) MiB")
        if failures > 0 { throw FuzzFailure("\(failures) tries failed") }
        Self.say("ok")
    }

    /// Prints a line that is out before a trap can come.
    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    /// Bytes of memory that the process has now.
    private static func resident() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
