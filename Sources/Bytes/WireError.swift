/// What is wrong with bytes that came from outside.
///
/// - `truncated`: the bytes end inside a value; more bytes might complete it.
/// - `corrupt`: no continuation can make them valid; the text says which rule they break.
/// - `unsupported`: well formed, but a version or codec we do not speak.
package enum WireError: Error, Hashable, CustomStringConvertible {
    case truncated
    case corrupt(String)
    case unsupported(String)

    package var description: String {
        switch self {
        case .truncated: "bytes end inside a value"
        case .corrupt(let what): what
        case .unsupported(let what): what
        }
    }
}
