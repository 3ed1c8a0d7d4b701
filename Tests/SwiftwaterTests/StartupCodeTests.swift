import Testing

@testable import swiftwater

@Suite struct StartupCodeTests {
    @Test func `only code of files is let go of`() {
        let text = """
            55d0c0000000-55d0c0001000 r--p 00000000 fe:00 12                         /usr/bin/swiftwater
            55d0c0001000-55d0c0003000 r-xp 00001000 fe:00 12                         /usr/bin/swiftwater
            55d0c0003000-55d0c0004000 rw-p 00003000 fe:00 12                         /usr/bin/swiftwater
            7f0000000000-7f0000001000 rwxp 00000000 fe:00 13                         /lib/odd.so
            7f0000002000-7f0000005000 r-xp 00000000 fe:00 14                         /lib/a folder/c.so
            7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
            7ffc00004000-7ffc00005000 r-xp 00000000 00:00 0
            nonsense
            """
        let found = StartupCode.mappings(in: text)
        #expect(found.map(\.start) == [0x55d0_c000_1000, 0x7f00_0000_2000])
        #expect(found.map(\.end) == [0x55d0_c000_3000, 0x7f00_0000_5000])
    }

    @Test func `the process goes on without them`() {
        StartupCode.release()
        #expect((1...100).reduce(0, +) == 5050)
    }
}
