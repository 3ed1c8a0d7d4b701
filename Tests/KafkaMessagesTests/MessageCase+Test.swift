import RandomMessages
import Testing

extension MessageCase: CustomTestStringConvertible {
    package var testDescription: String { name }
}
