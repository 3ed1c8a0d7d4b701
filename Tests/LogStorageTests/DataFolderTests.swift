import Environment
import Testing

@testable import LogStorage

@Suite struct DataFolderTests {
    private func disk(_ files: [(String, String)], folders: [String] = []) throws -> SimulatedDisk {
        let disk = SimulatedDisk(seed: 1)
        try disk.makeDirectory("/data")
        for folder in folders { try disk.makeDirectory(folder) }
        for (path, text) in files { try disk.replaceDurably(path, with: Array(text.utf8)) }
        return disk
    }

    private func names(_ disk: SimulatedDisk) throws -> [String] { try disk.list("/data").sorted() }

    @Test func `a new folder gets the version`() throws {
        let missing = SimulatedDisk(seed: 1)
        #expect(try DataFolder.content(of: "/data", on: missing) == .new)
        let directory = try LogDirectory(directory: "/data", disk: missing)
        #expect(try missing.contents("/data/version") == Array("1\n".utf8))
        try directory.close(clean: true)
        #expect(try DataFolder.content(of: "/data", on: missing) == .current)
    }

    /// Empty, as a file system is made, as a first start that was killed leaves it, as git keeps an empty folder.
    @Test(arguments: [[], ["/data/lost+found"], ["/data/.hidden"], ["/data/topics"], ["/data/meta", "/data/topics"]])
    func `a folder that is empty or ours is taken`(folders: [String]) throws {
        let disk = try disk([("/data/lock", "1"), ("/data/version.tmp", "")], folders: folders)
        _ = try LogDirectory(directory: "/data", disk: disk)
        #expect(try disk.contents("/data/version") == Array("1\n".utf8))
    }

    /// What the version file holds, and what the refusal says.
    @Test(
        arguments: [
            ("2\n", "has version 2, made by a newer program; this program supports version 1"),
            ("123456789", "has version 123456789"), ("0\n", "has version 0, which never was"),
            ("", "holds nothing instead"), ("\n", "instead of the layout's number"), ("-1\n", "holds '-1?' instead"),
            ("1 \n", "instead of"), ("one", "holds 'one' instead"), ("99999999999999999999999", "instead of"),
            ("\u{1B}[2Jx", "holds '?[2Jx' instead"), (String(repeating: "1", count: 5000), "11..."),
        ])
    func `a version that is not known is refused, and nothing is touched`(text: String, message: String) throws {
        let disk = try disk([("/data/version", text), ("/data/other", "x")])
        let error = #expect(throws: LogError.self) { try LogDirectory(directory: "/data", disk: disk) }
        #expect(error?.code == .unsupportedVersion)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(try names(disk) == ["other", "version"])
        #expect(try disk.contents("/data/version") == Array(text.utf8))
    }

    @Test func `a folder in the place of the version is refused`() throws {
        let disk = try disk([], folders: ["/data/version/x"])
        let error = #expect(throws: LogError.self) { try LogDirectory(directory: "/data", disk: disk) }
        #expect(error?.message.contains("is a folder") == true)
        #expect(try names(disk) == ["version"])
    }

    @Test func `a folder of something else is refused, and nothing is touched`() throws {
        let disk = try disk([("/data/a.txt", ""), ("/data/b", ""), ("/data/c", ""), ("/data/d", "")])
        let error = #expect(throws: LogError.self) { try LogDirectory(directory: "/data", disk: disk) }
        #expect(error?.code == .unsupportedVersion)
        #expect(error?.message.contains("holds 'a.txt', 'b', 'c' and 1 more") == true, "\(error?.message ?? "")")
        #expect(try names(disk) == ["a.txt", "b", "c", "d"])
    }

    @Test func `data without its version is refused, saying how to restore it`() throws {
        let disk = try disk([], folders: ["/data/meta", "/data/topics", "/data/state"])
        let error = #expect(throws: LogError.self) { try LogDirectory(directory: "/data", disk: disk) }
        #expect(error?.message.contains("the file 'version' is missing in '/data'") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("with the one line '1'") == true)
        try disk.replaceDurably("/data/version", with: Array("1\n".utf8))
        _ = try LogDirectory(directory: "/data", disk: disk)
    }

    @Test func `a Kafka broker's folder is recognised`() throws {
        let disk = try disk([("/data/meta.properties", "version=1")], folders: ["/data/ratings-0"])
        let error = #expect(throws: LogError.self) { try LogDirectory(directory: "/data", disk: disk) }
        #expect(error?.message.contains("log folder of a Kafka broker") == true)
    }
}
