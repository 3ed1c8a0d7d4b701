import Testing

@testable import ConnectorDatagen

@Suite struct JavaRandomTests {
    /// What `new Random(42)` of a JDK gives, each from a fresh one.
    @Test func `gives Java's numbers`() {
        var ints = JavaRandom(seed: 42)
        #expect([ints.nextInt(), ints.nextInt()] == [-1_170_105_035, 234_785_527])
        var bounded = JavaRandom(seed: 42)
        #expect((0..<5).map { _ in bounded.nextInt(100) } == [0, 63, 11, 68, 67])
        var powers = JavaRandom(seed: 42)
        let drawn = (0..<4).map { _ in powers.nextInt(16) }
        #expect(drawn.allSatisfy { (0..<16).contains($0) })
        var long = JavaRandom(seed: 42)
        #expect(long.nextLong() == -5_025_562_857_975_149_833)
        var double = JavaRandom(seed: 42)
        #expect(double.nextDouble() == 0.7275636800328681)
        var flag = JavaRandom(seed: 42)
        let first = flag.nextBoolean()
        #expect(first)
        var bytes = JavaRandom(seed: 42)
        // The first int again, its lowest byte first.
        #expect(bytes.nextBytes(5) == [53, 116, 65, 186, 119])
    }

    @Test(arguments: [0, 1, -1, Int64.min, Int64.max])
    func `numbers stay in their bounds`(seed: Int64) {
        var random = JavaRandom(seed: seed)
        for bound: Int32 in [1, 2, 3, 7, 1 << 30, .max] {
            for _ in 0..<200 {
                let value = random.nextInt(bound)
                #expect(value >= 0 && value < bound, "\(bound)")
            }
        }
        for _ in 0..<200 {
            let numbers = (random.nextDouble(), random.nextFloat())
            #expect((0..<1).contains(numbers.0) && (0..<1).contains(numbers.1))
        }
    }
}
