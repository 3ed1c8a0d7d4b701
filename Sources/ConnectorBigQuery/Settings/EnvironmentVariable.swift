import Glibc

enum EnvironmentVariable {
    static func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
