/// Made-up people, addresses and identifiers for generated data.
enum SampleNames {
    static let first = [
        "Ada", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kavya", "Liam", "Mona",
        "Nils", "Olga", "Pedro", "Quinn", "Rosa", "Sven", "Tara", "Ugo", "Vera", "Wim", "Ximena", "Yusuf", "Zoe",
    ]
    static let last = [
        "Adler", "Brandt", "Castillo", "Duarte", "Eriksen", "Falk", "Greco", "Holm", "Ivanova", "Jansen", "Keller",
        "Lindqvist", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Sato", "Tanaka", "Usman", "Varga",
        "Weber",
        "Xu", "Yilmaz", "Zielinski",
    ]

    static let fullCount = first.count * last.count

    /// One of `fullCount` names; neighbours share neither part.
    static func full(_ index: Int) -> String {
        let place = index % fullCount
        return first[place % first.count] + " " + last[(place / first.count + place) % last.count]
    }

    static func email(_ name: String, number: Int) -> String {
        name.lowercased().split(separator: " ").joined(separator: ".") + String(number) + "@example.com"
    }

    /// Of version 4, from 16 random bytes.
    static func uuid(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var output: [UInt8] = []
        for (index, byte) in bytes.prefix(16).enumerated() {
            if [4, 6, 8, 10].contains(index) { output.append(UInt8(ascii: "-")) }
            let byte = index == 6 ? byte & 0x0F | 0x40 : index == 8 ? byte & 0x3F | 0x80 : byte
            output.append(digits[Int(byte >> 4)])
            output.append(digits[Int(byte & 15)])
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Identifiers that are the same wherever a list of them stands, so that what is generated can be joined.
    static func uuids(_ seed: Int64, _ count: Int) -> [String] {
        var random = JavaRandom(seed: seed)
        return (0..<count).map { _ in uuid(random.nextBytes(16)) }
    }

    /// Addresses from the blocks that are set aside for documentation (RFC 5737) and for private networks.
    static func addresses(_ seed: Int64, _ count: Int) -> [String] {
        var random = JavaRandom(seed: seed)
        let blocks = ["192.0.2", "198.51.100", "203.0.113"]
        return (0..<count).map { _ in
            let private10 = "10.\(random.nextInt(256)).\(random.nextInt(256))"
            let block = random.nextInt(4) == 0 ? blocks[random.nextIndex(3)] : private10
            return block + ".\(1 + random.nextInt(254))"
        }
    }
}
