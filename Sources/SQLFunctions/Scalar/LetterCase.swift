extension String {
    /// Java's `toLowerCase`, where a Σ that ends a word becomes ς.
    package var smallLetters: String {
        guard unicodeScalars.contains("Σ") else { return lowercased() }
        let scalars = Array(unicodeScalars)
        var output = ""
        for (index, scalar) in scalars.enumerated() {
            if scalar == "Σ" {
                let isFinal =
                    Self.meetsLetter(scalars[..<index].reversed()) && !Self.meetsLetter(scalars[(index + 1)...])
                output.unicodeScalars.append(isFinal ? "ς" : "σ")
            } else {
                output += scalar.properties.lowercaseMapping
            }
        }
        return output
    }

    /// Whether a letter that has a case comes before the word ends, as Java's BreakIterator knows words.
    private static func meetsLetter(_ scalars: some Sequence<Unicode.Scalar>) -> Bool {
        for scalar in scalars {
            let properties = scalar.properties
            if properties.isCased { return true }
            switch properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .spacingMark, .format, .decimalNumber, .otherNumber,
                .connectorPunctuation, .dashPunctuation:
                continue
            case _ where scalar == "." || scalar == "'" || properties.isAlphabetic && !properties.isIdeographic:
                continue
            default: return false
            }
        }
        return false
    }
}
