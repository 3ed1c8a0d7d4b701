import Foundation

/// Data that is not part of this repository: `SWIFTWATER_SHARED` or the folder `shared` beside it.
enum Shared {
    static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static var folder: URL {
        let shared = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"].map { URL(filePath: $0) }
        return shared ?? package.deletingLastPathComponent().appending(path: "shared")
    }
}
