import Foundation
import Glibc
import JSONFormat
import Testing

@testable import swiftwater

@Suite struct DoctorTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    /// A socket that listens on a port of loopback that was free.
    private func withListener(_ body: (HostPort) throws -> Void) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try #require(bind(descriptor, $0, length) == 0)
                try #require(listen(descriptor, 1) == 0)
                try #require(getsockname(descriptor, $0, &length) == 0)
            }
        }
        try body(HostPort(host: "127.0.0.1", port: Int(UInt16(bigEndian: address.sin_port))))
    }

    @Test func `a port in use is told with the process that has it`() throws {
        try withListener { address in
            let door = Door(role: "kafka", service: "Kafka's protocol", address: address, isOptional: false)
            let finding = PortCheck.findings([door], holder: nil)[0]
            #expect(finding.verdict == .problem)
            #expect(finding.text.contains("is used by") && finding.text.contains("(process \(getpid()))"))
            let optional = Door(role: "sql", service: "a SQL server", address: address, isOptional: true)
            #expect(PortCheck.findings([optional], holder: nil)[0].verdict == .warning)
        }
    }

    @Test func `free ports, any port, and addresses of others`() {
        func finding(_ host: String, _ port: Int) -> Finding {
            PortCheck.findings(
                [
                    Door(
                        role: "kafka", service: "Kafka's protocol", address: HostPort(host: host, port: port),
                        isOptional: false)
                ], holder: nil)[0]
        }
        #expect(finding("127.0.0.1", 0).verdict == .ok)
        let other = finding("192.0.2.1", 9092)  // TEST-NET-1: nobody's
        #expect(other.verdict == .problem && other.text.contains("cannot be listened on"))
        #expect(finding("no.such.host.invalid", 9092).text.contains("the host has no address"))
    }

    @Test func `ports by role, and whether start does without them`() throws {
        var sources = ServerSettings.Sources()
        sources.flags = [("sql.listener", "--sql", "127.0.0.1:18088"), ("connect.listener", "--connect", "none")]
        let doors = try ServerSettings(sources).doors
        #expect(doors.map(\.role) == ["kafka", "registry", "sql", "console", "admin"])
        #expect(doors.map(\.isOptional) == [false, true, false, true, true])
    }

    @Test func `data folders: new, strange, in the way, in use`() throws {
        try withFolder { folder in
            #expect(DataFolderCheck(folder).findings[0].verdict == .ok)
            let missing = DataFolderCheck(folder + "/a/b")
            #expect(missing.findings[0].text.contains("can be made"))
            #expect(missing.existing == folder)

            try Data().write(to: URL(filePath: folder + "/file"))
            #expect(DataFolderCheck(folder).findings[0].verdict == .problem)  // holds something else
            #expect(DataFolderCheck(folder + "/file").findings[0].text.contains("a file stands in its place"))
            #expect(DataFolderCheck(folder + "/file/below").findings[0].verdict == .problem)
            try FileManager.default.removeItem(atPath: folder + "/file")

            try Data("1\n".utf8).write(to: URL(filePath: folder + "/version"))
            try Data("4711\n".utf8).write(to: URL(filePath: folder + "/lock"))
            #expect(DataFolderCheck(folder).holder == nil)  // left behind, held by nobody
            let descriptor = open(folder + "/lock", O_RDWR)
            defer { close(descriptor) }
            #expect(flock(descriptor, LOCK_EX) == 0)
            let held = DataFolderCheck(folder)
            #expect(held.holder == 4711)
            #expect(held.findings[0].text.contains("in use by process 4711"))

            try Data("9\n".utf8).write(to: URL(filePath: folder + "/version"))
            #expect(DataFolderCheck(folder).findings[0].text.contains("made by a newer program"))
        }
    }

    @Test func `the measurement of the disk leaves nothing behind`() throws {
        try withFolder { folder in
            let finding = DiskSpeed.finding(folder)
            #expect(finding.text.contains("a forced append takes"))
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left.isEmpty)
            #expect(DiskSpeed.finding(folder + "/missing").verdict == .problem)
        }
    }

    @Test(
        arguments: [
            (400e6, [1, 1, 2], .ok), (400e6, [30, 30, 30], .warning), (5e6, [1], .warning), (400e6, [], .ok),
        ] as [(Double, [Double], Finding.Verdict)])
    func `slow disks are warned of`(speed: Double, appends: [Double], verdict: Finding.Verdict) {
        #expect(DiskSpeed.judged(.init(bytesPerSecond: speed, appends: appends)).verdict == verdict)
    }

    @Test func `the file system is that of the innermost mount`() {
        let mounts = """
            overlay / overlay rw 0 0
            tmpfs /run tmpfs rw 0 0
            /dev/vdb /var/lib ext4 rw 0 0
            /dev/vdc /var/lib/my\\040data xfs rw 0 0
            """
        #expect(Mounts.kind(of: "/etc", in: mounts) == "overlay")
        #expect(Mounts.kind(of: "/run/x", in: mounts) == "tmpfs")
        #expect(Mounts.kind(of: "/runs", in: mounts) == "overlay")
        #expect(Mounts.kind(of: "/var/lib/swiftwater", in: mounts) == "ext4")
        #expect(Mounts.kind(of: "/var/lib/my data/x", in: mounts) == "xfs")
    }

    @Test func `limits, memory and clocks are judged`() {
        #expect(MachineCheck.judged(openFilesMax: 512).verdict == .problem)
        #expect(MachineCheck.judged(openFilesMax: 4096).verdict == .warning)
        #expect(MachineCheck.judged(openFilesMax: .max).text == "no limit")
        let gibibyte: Int64 = 1 << 30
        #expect(MachineCheck.judged(total: 8 * gibibyte, available: 4 * gibibyte, limit: nil).verdict == .ok)
        let limited = MachineCheck.judged(total: 8 * gibibyte, available: 4 * gibibyte, limit: gibibyte / 4)
        #expect(limited.verdict == .warning && limited.text.contains("may have 256.0 MiB"))
        #expect(MachineCheck.judged(total: gibibyte, available: gibibyte / 16, limit: nil).verdict == .problem)

        let now: Int64 = 1_795_680_000_000  // 2026-11-26
        #expect(ClockCheck.judged(now: 1000, newestChange: nil, isSynchronised: true).verdict == .problem)
        #expect(ClockCheck.judged(now: now, newestChange: now - 1, isSynchronised: true).verdict == .ok)
        #expect(ClockCheck.judged(now: now, newestChange: now + 3_600_000, isSynchronised: true).verdict == .warning)
        #expect(ClockCheck.judged(now: now, newestChange: nil, isSynchronised: false).verdict == .warning)
        #expect(ClockCheck.judged(now: now, newestChange: nil, isSynchronised: nil).verdict == .ok)
    }

    @Test func `libraries tell the versions that are loaded`() {
        let maps = """
            7f00-7f01 r--p 00000000 fe:00 11 /usr/lib/x86_64-linux-gnu/libzstd.so.1.5.4
            7f02-7f03 r--p 00000000 00:00 0
            7f04-7f05 r--p 00000000 fe:00 12 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
            """
        #expect(LibraryCheck.versions(inMaps: maps)["libzstd"] == "1.5.4")
        #expect(!LibraryCheck.finding.text.contains("unknown"), "\(LibraryCheck.finding.text)")
    }

    @Test func `the worst finding is the verdict`() {
        var diagnosis = Diagnosis(findings: [Finding("a", .ok, "fine"), Finding("bb", .warning, "so so", hint: "do")])
        #expect(diagnosis.verdict == .warning)
        #expect(
            diagnosis.text == """
                ok       a   fine
                warning  bb  so so
                             hint: do

                1 ok, 1 warning, 0 problems
                """)
        diagnosis.findings.append(Finding("c", .problem, "broken"))
        #expect(diagnosis.json["verdict"]?.text == "problem")
        #expect(readableSize(1536) == "1.5 KiB" && readableSize(12) == "12 B" && readableSize(55 << 30) == "55.0 GiB")
    }
}
