import CExamples
import Environment

/// The files of `Examples/demo`: they are a part of the program.
enum DemoFiles {
    /// Names and contents, by name.
    static let all: [(name: String, bytes: [UInt8])] = {
        var files: [(name: String, bytes: [UInt8])] = []
        while let file = swiftwater_example_at(files.count)?.pointee {
            let bytes = UnsafeBufferPointer(start: file.bytes, count: file.count)
            files.append((String(cString: file.name), Array(bytes)))
        }
        return files
    }()

    /// - Throws: `CommandFailure` when there is none of that name.
    static func bytes(_ name: String) throws -> [UInt8] {
        guard let file = all.first(where: { $0.name == name }) else {
            throw CommandFailure("the program has no file \(name) of the demonstration")
        }
        return file.bytes
    }

    static func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    /// Writes all of them into a folder: connectors read schemas there, and people may read the statements.
    ///
    /// - Throws: `DiskError`.
    static func write(to folder: String) throws {
        let disk = RealDisk()
        try disk.makeDirectory(folder)
        for (name, bytes) in all {
            let file = try disk.open(folder + "/" + name, create: true)
            try file.truncate(to: 0)
            try file.write(bytes, at: 0)
        }
    }
}
