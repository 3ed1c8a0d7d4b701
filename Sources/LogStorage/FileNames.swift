/// File names in a partition's folder, as Kafka writes them: the base offset with 20 digits and a suffix.
enum FileNames {
    static let metadata = "partition.metadata"
    static let epochs = "leader-epoch-checkpoint"

    enum Suffix: String, CaseIterable {
        case log = ".log"
        case index = ".index"
        case timeIndex = ".timeindex"
        case txnIndex = ".txnindex"
        case snapshot = ".snapshot"

        /// The files of one segment. The log comes first: without it the others are leftovers.
        static let ofSegment: [Suffix] = [.log, .index, .timeIndex, .txnIndex]
    }

    static func name(_ offset: Int64, _ suffix: Suffix) -> String {
        let digits = String(offset)
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits + suffix.rawValue
    }

    /// A new name for a partition's folder that is out of use: cut where a file system's 255 bytes need it, made unique,
    /// and marked by `suffix`, as Kafka does (`UnifiedLog.logDeleteDirName`).
    static func retired(_ path: String, _ suffix: String) -> String {
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let digits = String(UInt128.random(in: 0 ... .max), radix: 16)
        let mark = ".\(String(repeating: "0", count: 32 - digits.count))\(digits)-\(suffix)"
        let name = path[slash...]
        let hyphen = name.lastIndex(of: "-") ?? name.endIndex
        // Topic names are ASCII, so characters are bytes.
        let cut = name[..<hyphen].prefix(max(0, 255 - mark.utf8.count - name[hyphen...].utf8.count))
        return path[..<slash] + cut + name[hyphen...] + mark
    }

    /// The offset and kind of a file name, nil for any other name.
    static func parse(_ name: String) -> (offset: Int64, suffix: Suffix)? {
        guard let dot = name.firstIndex(of: "."), let suffix = Suffix(rawValue: String(name[dot...])) else {
            return nil
        }
        let digits = name[..<dot]
        guard digits.utf8.count == 20, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let offset = Int64(digits) else {
            return nil
        }
        return (offset, suffix)
    }
}
