import Dispatch
import Environment
import Glibc
import Testing

struct StreamFileTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = "/tmp/swiftwater-files-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try RealDisk().makeDirectory(folder)
        defer { try? RealDisk().removeTree(folder) }
        try body(folder)
    }

    /// A pipe of which a program writes a part, pauses for longer than anything waits for a file, and writes the rest.
    @Test func `all of a pipe is read, however slowly it comes`() throws {
        try withFolder { folder in
            let path = folder + "/pipe"
            try #require(mkfifo(path, 0o600) == 0)
            DispatchQueue.global().async {
                let descriptor = open(path, O_WRONLY)
                _ = write(descriptor, "one ", 4)
                usleep(1_300_000)
                _ = write(descriptor, "two", 3)
                close(descriptor)
            }
            #expect(try StreamFile.contents(path) == Array("one two".utf8))
        }
    }

    @Test func `a file longer than its bound is refused, one as long is read`() throws {
        try withFolder { folder in
            let path = folder + "/file"
            try StreamFile.appending(path).write(Array(repeating: 7, count: 1000))
            #expect(try StreamFile.contents(path, byteCountMax: 1000).count == 1000)
            #expect(
                throws: DiskError(code: .io, operation: "read", path: path, reason: "longer than 999 bytes")
            ) { try StreamFile.contents(path, byteCountMax: 999) }
            #expect(throws: DiskError.self) { try StreamFile.contents(folder) }
        }
    }
}
