import Bytes
import Environment
import StreamEngine

/// A task's state in a file, so that a start need not read changelogs from their beginning.
///
/// | part        | bytes                                                                                    |
/// |-------------|------------------------------------------------------------------------------------------|
/// | magic       | 8, `SWSTATE1`                                                                            |
/// | fingerprint | text: what the state belongs to                                                          |
/// | changelogs  | 4, their number; for each the store as text, and 8: the first offset that is not in here |
/// | changes     | for each 4, the store's number; key: 4, its length, and bytes; value alike, length -1: none |
/// | end         | 4, -1                                                                                    |
/// | checksum    | 4, CRC-32C of all before                                                                 |
///
/// Little-endian; texts are 4 bytes of length and UTF-8. The file is replaced as a whole.
struct StateSnapshot {
    private static let magic: [UInt8] = Array("SWSTATE1".utf8)
    private static let chunkByteCount = 1 << 20
    private static let end: UInt32 = .max

    let disk: any Disk
    let path: String
    let fingerprint: String

    /// The folder that a path stands in.
    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    // MARK: Writing

    /// - Parameter changelogs: by store, the first offset whose change is not in the state.
    func write(_ task: QueryTask, changelogs: [String: Int64]) throws {
        try disk.makeDirectory(StateSnapshot.folder(of: path))
        let temporary = path + ".tmp"
        do {
            let file = try disk.open(temporary, create: true)
            try file.truncate(to: 0)
            let writer = Writer(file)
            writer.append(Self.magic)
            writer.append(text: fingerprint)
            writer.append(UInt32(truncatingIfNeeded: changelogs.count))
            for (store, offset) in changelogs.sorted(by: { $0.key < $1.key }) {
                writer.append(text: store)
                writer.append(UInt64(bitPattern: offset))
            }
            var numbers: [String: UInt32] = [:]
            try task.writeSnapshot { change in
                let number: UInt32
                if let known = numbers[change.store] {
                    number = known
                } else {
                    number = UInt32(truncatingIfNeeded: numbers.count)
                    numbers[change.store] = number
                }
                // A store's name comes with its first change.
                writer.append(number)
                if number == UInt32(truncatingIfNeeded: numbers.count - 1), !writer.named.contains(number) {
                    writer.named.insert(number)
                    writer.append(text: change.store)
                }
                writer.append(field: change.key)
                writer.append(field: change.value)
                try writer.flushIfFull()
            }
            writer.append(Self.end)
            try writer.finish()
            try file.sync()
            try disk.rename(temporary, to: path)
            try disk.syncDirectory(StateSnapshot.folder(of: path))
        } catch {
            // The first error is the one to tell; what is left behind is overwritten by the next attempt.
            try? disk.removeFile(temporary)
            throw error
        }
    }

    private final class Writer {
        private let file: any DiskFile
        private var buffer: [UInt8] = []
        private var position: Int64 = 0
        private var checksum: UInt32 = 0
        var named: Set<UInt32> = []

        init(_ file: any DiskFile) { self.file = file }

        func append(_ bytes: [UInt8]) { buffer += bytes }
        func append(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { buffer.append(contentsOf: $0) } }
        func append(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { buffer.append(contentsOf: $0) } }
        func append(text: String) { append(field: Array(text.utf8)) }

        func append(field: [UInt8]?) {
            append(field.map { UInt32(truncatingIfNeeded: $0.count) } ?? .max)
            if let field { buffer += field }
        }

        func flushIfFull() throws { if buffer.count >= StateSnapshot.chunkByteCount { try flush() } }

        private func flush() throws {
            checksum = crc32c(buffer.span.bytes, seed: checksum)
            try file.write(buffer, at: position)
            position += Int64(buffer.count)
            buffer.removeAll(keepingCapacity: true)
        }

        func finish() throws {
            try flush()
            append(checksum)
            try file.write(buffer, at: position)
        }
    }

    // MARK: Reading

    /// Why a snapshot is not used.
    struct Unusable: Error, CustomStringConvertible { var description: String }

    /// Brings a task that has no state to the one in the file.
    ///
    /// - Parameter isCurrent: whether the log has what follows; asked before anything is applied.
    /// - Returns: by store, where its changelog goes on; nil without a usable file.
    /// - Throws: `Unusable`, `DiskError`, and `EngineError`, after which the task must not be used.
    func read(into task: QueryTask, isCurrent: ([String: Int64]) -> Bool) throws -> [String: Int64]? {
        guard disk.exists(path) else { return nil }
        let file = try disk.open(path, create: false)
        try check(file)
        let reader = Reader(file)
        guard try reader.bytes(Self.magic.count) == Self.magic else { throw Unusable(description: "no snapshot") }
        guard try reader.text() == fingerprint else { return nil }
        var changelogs: [String: Int64] = [:]
        for _ in 0..<(try reader.number()) { changelogs[try reader.text()] = Int64(bitPattern: try reader.long()) }
        guard isCurrent(changelogs) else { return nil }
        var stores: [String] = []
        while true {
            let number = try reader.number()
            if number == Self.end { return changelogs }
            if Int(number) == stores.count { stores.append(try reader.text()) }
            guard stores.indices.contains(Int(number)), let key = try reader.field() else {
                throw Unusable(description: "a change of no store")
            }
            try task.apply(StateChange(store: stores[Int(number)], key: key, value: try reader.field()))
        }
    }

    private func check(_ file: any DiskFile) throws {
        let byteCount = try file.byteCount()
        guard byteCount > 16 else { throw Unusable(description: "a file of \(byteCount) bytes") }
        var checksum: UInt32 = 0
        var position: Int64 = 0
        while position < byteCount - 4 {
            let count = Int(min(Int64(Self.chunkByteCount), byteCount - 4 - position))
            let bytes = try file.read(at: position, count: count)
            guard bytes.count == count else { throw Unusable(description: "the file became shorter") }
            checksum = crc32c(bytes.span.bytes, seed: checksum)
            position += Int64(count)
        }
        let stored = try file.read(at: position, count: 4).withUnsafeBytes {
            $0.count == 4 ? UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) : 0
        }
        guard stored == checksum else { throw Unusable(description: "the checksum does not match") }
    }

    private final class Reader {
        private let file: any DiskFile
        private var position: Int64 = 0
        private var buffer: [UInt8] = []
        private var at = 0

        init(_ file: any DiskFile) { self.file = file }

        func bytes(_ count: Int) throws -> [UInt8] {
            if buffer.count - at < count {
                let rest = Array(buffer[at...])
                let wanted = max(StateSnapshot.chunkByteCount, count)
                let more = try file.read(at: position, count: wanted)
                position += Int64(more.count)
                buffer = rest + more
                at = 0
                guard buffer.count >= count else { throw Unusable(description: "the file ends early") }
            }
            defer { at += count }
            return Array(buffer[at..<(at + count)])
        }

        func number() throws -> UInt32 {
            try bytes(4).withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
        }

        func long() throws -> UInt64 {
            try bytes(8).withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        }

        func field() throws -> [UInt8]? {
            let count = try number()
            if count == .max { return nil }
            guard count < 1 << 31 else { throw Unusable(description: "a field of \(count) bytes") }
            return try bytes(Int(count))
        }

        func text() throws -> String { String(decoding: try field() ?? [], as: UTF8.self) }
    }
}
