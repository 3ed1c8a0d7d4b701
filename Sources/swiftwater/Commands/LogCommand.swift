import ArgumentParser
import Bytes
import Glibc
import JSONFormat
import RecordBatches

struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Look into the files of a data folder.",
        discussion: """
            EXAMPLES
              swiftwater log dump \\
                  swiftwater-data/topics/ratings-0/00000000000000000000.log
            """,
        subcommands: [LogDump.self])
}

struct LogDump: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "Show the batches and records of segments, and the entries of their indexes.",
        discussion: """
            Reads files of Kafka's layout without a broker: .log, .index, .timeindex, .txnindex and .snapshot. Every batch's \
            checksum is checked; the first byte that is no batch ends the file, and the exit code is 1. A broker may be \
            running: what it is just writing may look torn.

            EXAMPLES
              swiftwater log dump 00000000000000000000.log
              swiftwater log dump --records --format json 00000000000000000000.log
              swiftwater log dump -o json 00000000000000000000.log | jq .baseOffset
              swiftwater log dump --decode \\
                  __consumer_offsets-7/00000000000000000000.log
              swiftwater log dump 00000000000000000000.index 00000000000000000000.snapshot
            """)

    @Argument(help: "Files.", completion: .file()) var files: [String]
    @Flag(help: "Show the records of batches, too.") var records = false
    @Flag(
        help: ArgumentHelp(
            "Show what records of the broker's own topics say: \(InternalRecords.topics.joined(separator: ", "))."))
    var decode = false
    @Option(help: "How keys and values are printed.") var format: ByteFormat = .string
    @OptionGroup var output: OutputOptions

    func run() throws {
        var failures: [CommandFailure] = []
        for (index, path) in files.enumerated() {
            let bytes: LogFile
            let decoder: InternalRecords?
            do {
                bytes = try LogFile(path)
                decoder = decode && bytes.kind == .segment ? try self.decoder(of: path) : nil
            } catch let failure as CommandFailure {
                failures.append(failure)
                continue
            }
            if output.format == .table, files.count > 1 {
                try Output.standard.line((index > 0 ? "\n" : "") + path)
            }
            do {
                switch bytes.kind {
                case .segment:
                    let printer = BatchPrinter(
                        records: records || decode, format: format, output: output.format, file: path,
                        decoder: decoder)
                    if let found = try printer.show(bytes) { failures.append(CommandFailure(found)) }
                default: try IndexPrinter(output: output.format, file: path).show(bytes)
                }
            } catch let error as WireError {
                failures.append(CommandFailure("'\(path)': \(error)"))
            } catch let failure as CommandFailure {
                failures.append(failure)  // neither reading nor writing would go better with the next file
                break
            }
        }
        guard var failure = failures.first else { return }
        try Output.standard.flush()
        failure.message = failures.map(\.message).joined(separator: "\n")
        if failures.contains(where: { $0.kind == .usage }) { failure.kind = .usage }
        throw failure
    }
}

extension LogDump {
    /// For the topic whose partition the file's folder is.
    fileprivate func decoder(of path: String) throws -> InternalRecords {
        // A file that is named from within its folder has the folder's name only in full.
        let full = path.withCString { realpath($0, nil) }
        defer { free(full) }
        let parts = (full.map { String(cString: $0) } ?? path).split(separator: "/")
        let folder = parts.dropLast().last.map(String.init) ?? ""
        let topic = folder.lastIndex(of: "-").map { String(folder[..<$0]) } ?? folder
        guard let decoder = InternalRecords(topic: topic) else {
            throw CommandFailure.usage(
                "--decode is for files of \(InternalRecords.topics.joined(separator: ", ")), not of '\(folder)'")
        }
        return decoder
    }
}

/// A file of a partition's folder, read a part at a time.
struct LogFile {
    enum Kind { case segment, offsets, times, transactions, producers }

    let kind: Kind
    /// What the file's name says its first offset is; 0 without a number.
    let baseOffset: Int64
    let byteCount: Int
    private let descriptor: Descriptor

    private final class Descriptor: Sendable {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { close(number) }
    }

    /// - Throws: `CommandFailure` for one that cannot be read or is of no known kind.
    init(_ path: String) throws {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        // Files that are on their way out, or not there yet, have a further ending.
        let parts = name.split(separator: ".").filter { !["deleted", "cleaned", "swap"].contains($0) }
        switch parts.last {
        case "log": kind = .segment
        case "index": kind = .offsets
        case "timeindex": kind = .times
        case "txnindex": kind = .transactions
        case "snapshot": kind = .producers
        default:
            throw CommandFailure(
                "'\(path)' is no file of a log: its name ends in none of .log, .index, .timeindex, .txnindex, .snapshot"
            )
        }
        baseOffset = parts.first.flatMap { Int64($0) } ?? 0
        // Without waiting: a pipe has nobody who writes.
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw CommandFailure("cannot open '\(path)': \(String(cString: strerror(errno)))") }
        descriptor = Descriptor(number)
        var status = stat()
        guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw CommandFailure("'\(path)' is no file")
        }
        byteCount = Int(status.st_size)
    }

    /// Up to `count` bytes from `position` on; fewer at the end.
    func read(at position: Int, count: Int) throws -> [UInt8] {
        let wanted = max(0, min(count, byteCount - position))
        var bytes = [UInt8](repeating: 0, count: wanted)
        var done = 0
        while done < wanted {
            let got = bytes.withUnsafeMutableBytes {
                pread(descriptor.number, $0.baseAddress.map { $0 + done }, wanted - done, off_t(position + done))
            }
            if got < 0 {
                if errno == EINTR { continue }
                throw CommandFailure("cannot read: \(String(cString: strerror(errno)))")
            }
            if got == 0 { break }  // it was cut meanwhile
            done += got
        }
        return Array(bytes.prefix(done))
    }
}
