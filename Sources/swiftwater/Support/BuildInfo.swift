import JSONFormat

/// What the program was built from: `BuildInfo` has it. The defaults are what the compiler knows by itself; release builds
/// of `./dev` add an extension with better knowledge, in a file beside the sources that git ignores.
protocol BuildFacts {
    /// The commit, abbreviated, with `+` where the sources had changes on top of it; nil when nobody told.
    static var commit: String? { get }
    /// The commit's day, as in 2026-11-26; nil when nobody told.
    static var date: String? { get }
    /// The version of the compiler.
    static var swift: String { get }
}

extension BuildFacts {
    static var commit: String? { nil }
    static var date: String? { nil }
    static var swift: String {
        // Comparisons are all that can be asked of the compiler.
        #if compiler(>=6.4)
        "6.4 or later"
        #elseif compiler(>=6.3)
        "6.3"
        #else
        "6.2"
        #endif
    }
}

/// The members of an extension win over the defaults of the protocol.
enum BuildInfo: BuildFacts {
    /// "swiftwater 0.1.0 (commit 70d2ebc of 2026-11-26, Swift 6.3.1)"
    static var line: String {
        var facts: [String] = []
        if let commit { facts.append("commit \(commit)" + (date.map { " of \($0)" } ?? "")) }
        facts.append("Swift \(swift)")
        if isDebug { facts.append("debug build") }
        return "swiftwater \(Swiftwater.version) (\(facts.joined(separator: ", ")))"
    }

    static var json: JSONValue {
        .object([
            ("version", .string(Swiftwater.version)), ("commit", .string(commit)), ("date", .string(date)),
            ("swift", .string(swift)), ("build", .string(isDebug ? "debug" : "release")),
            ("architecture", .string(architecture)),
        ])
    }

    static var isDebug: Bool {
        #if DEBUG
        true
        #else
        false
        #endif
    }

    private static var architecture: String {
        #if arch(x86_64)
        "x86_64"
        #elseif arch(arm64)
        "arm64"
        #else
        "other"
        #endif
    }
}
