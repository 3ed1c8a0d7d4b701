import KafkaMessages

extension Responder {
    /// The same right to answer, with an answer that is changed on its way.
    func mapping<Answer: KafkaMessage>(
        _ type: Answer.Type, _ change: @escaping @Sendable (inout Answer) -> Void
    ) -> Responder {
        Responder(
            target: .local { message in
                guard var answer = message as? Answer else {
                    return close(because: "there is no answer to \(apiKey.name)")
                }
                change(&answer)
                send(answer)
            }, apiKey: apiKey, apiVersion: apiVersion, client: client, principal: principal)
    }
}

/// The elements of a request that its sender may use, and the others with their places.
struct Admitted<Element: Sendable>: Sendable {
    private(set) var permitted: [Element] = []
    private(set) var refused: [(index: Int, element: Element)] = []

    init(_ elements: [Element], where isPermitted: (Element) -> Bool) {
        for (index, element) in elements.enumerated() {
            if isPermitted(element) { permitted.append(element) } else { refused.append((index, element)) }
        }
    }

    var isWhole: Bool { refused.isEmpty }

    /// The answers for the permitted ones, with those for the others in their places.
    func merged<Answer>(_ answers: [Answer], _ answer: (Element) -> Answer) -> [Answer] {
        var merged = answers
        for (index, element) in refused { merged.insert(answer(element), at: min(index, merged.count)) }
        return merged
    }
}
