import CPCRE2

/// Counts what PCRE2 does in one search, and ends it when that becomes too much.
///
/// PCRE2's own limit counts anew at every place where a match may begin, and takes no notice of how far a repetition
/// runs, so that a search may take the square of the text's length with no limit reached. Here the code is compiled
/// with automatic callouts: PCRE2 calls before every item of the expression, wherever it begins, and the counter takes
///
/// | for | steps |
/// |---|---|
/// | an item that is tried at a place | 1 |
/// | the text that was passed since the last call | 1 for 8 bytes |
/// | `x{n}`, which may fail at its end, unseen | 1 for 8 repetitions |
/// | a back reference, which may as well | 1 for 8 bytes of what it refers to |
///
/// - SeeAlso: pcre2callout(3).
struct StepCounter {
    /// What remains; below 0 the search has ended.
    private(set) var left: Int
    private var place = 0
    private var weights: UnsafeBufferPointer<Int32>

    /// What the items of an expression take beyond one step, by their place in it: repetitions as positive numbers,
    /// groups that are referred to as negative ones; only as long as there is something to tell.
    typealias Weights = [Int32]

    static func weights(of pattern: [UInt8], _ code: OpaquePointer) -> Weights {
        struct State {
            let pattern: [UInt8]
            let code: OpaquePointer
            var weights: Weights = []
        }
        var state = State(pattern: pattern, code: code)
        _ = withUnsafeMutablePointer(to: &state) { state in
            pcre2_callout_enumerate_8(
                code,
                { block, data in
                    guard let item = block?.pointee, let state = data?.assumingMemoryBound(to: State.self) else {
                        return 0
                    }
                    let (start, count) = (item.pattern_position, item.next_item_length)
                    guard count > 1, start >= 0, start + count <= state.pointee.pattern.count else { return 0 }
                    let text = state.pointee.pattern[start..<(start + count)]
                    let weight = StepCounter.weight(of: text, state.pointee.code)
                    guard weight != 0 else { return 0 }
                    let missing = start + 1 - state.pointee.weights.count
                    if missing > 0 { state.pointee.weights += repeatElement(0, count: missing) }
                    state.pointee.weights[start] = weight
                    return 0
                }, state)
        }
        return state.weights
    }

    private static func weight(of item: ArraySlice<UInt8>, _ code: OpaquePointer) -> Int32 {
        guard let first = item.first, first != UInt8(ascii: ")") else { return 0 }
        let rest = item.dropFirst()
        if first == UInt8(ascii: "\\"), let letter = rest.first {
            if 0x31...0x39 ~= letter { return -number(rest) }
            if letter == UInt8(ascii: "k") || letter == UInt8(ascii: "g") {
                let name = rest.dropFirst(2).prefix { $0 != UInt8(ascii: ">") && $0 != UInt8(ascii: "}") && $0 != 0x27 }
                if let digit = name.first, 0x30...0x39 ~= digit { return -number(name) }
                let group = pcre2_substring_number_from_name_8(code, String(decoding: name, as: UTF8.self))
                return group > 0 ? -group : 0
            }
        }
        var text = item
        while let last = text.last, last == UInt8(ascii: "+") || last == UInt8(ascii: "?") { text.removeLast() }
        guard text.last == UInt8(ascii: "}"), let brace = text.lastIndex(of: UInt8(ascii: "{")) else { return 0 }
        // `\x{41}` and its like.
        if brace == item.startIndex + 2, first == UInt8(ascii: "\\"), rest.first != UInt8(ascii: "d"),
            rest.first != UInt8(ascii: "w"), rest.first != UInt8(ascii: "s")
        {
            return 0
        }
        return number(text[(brace + 1)...]) >> 3
    }

    private static func number(_ text: ArraySlice<UInt8>) -> Int32 {
        text.prefix { 0x30...0x39 ~= $0 }.prefix(5).reduce(0) { $0 * 10 + Int32($1 - 0x30) }
    }

    /// Runs a search that takes from `budget` what it does.
    ///
    /// - Parameters:
    ///   - code: with automatic callouts.
    ///   - weights: of `code`.
    ///   - budget: below 0 afterwards when it did not suffice.
    /// - Returns: what PCRE2 does.
    static func search(
        _ code: OpaquePointer, _ weights: Weights, _ text: UnsafeBufferPointer<UInt8>, from start: Int,
        options: UInt32, _ matchData: OpaquePointer, _ context: OpaquePointer, budget: inout Int
    ) -> CInt {
        weights.withUnsafeBufferPointer { weights in
            var counter = StepCounter(left: budget, place: start, weights: weights)
            defer { budget = counter.left }
            return withUnsafeMutablePointer(to: &counter) { counter in
                pcre2_set_callout_8(
                    context,
                    { block, counter in
                        guard let block, let counter = counter?.assumingMemoryBound(to: StepCounter.self) else {
                            return PCRE2_ERROR_CALLOUT
                        }
                        return counter.pointee.take(block)
                    }, counter)
                defer { pcre2_set_callout_8(context, nil, nil) }
                return pcre2_match_8(
                    code, text.baseAddress ?? noBytes, text.count, start, options, matchData, context)
            }
        }
    }

    /// - Returns: what PCRE2 takes for going on, or for ending the search.
    @inline(__always)
    private mutating func take(_ block: UnsafeMutablePointer<pcre2_callout_block_8>) -> CInt {
        let now = block.pointee.current_position
        var steps = 1
        if now > place { steps += (now - place) >> 3 }
        place = now
        let at = block.pointee.pattern_position
        if at < weights.count, weights[at] != 0 {
            let weight = Int(weights[at])
            if weight > 0 {
                steps += weight
            } else if -weight < block.pointee.capture_top, let groups = block.pointee.offset_vector {
                let (low, high) = (groups[-2 * weight], groups[1 - 2 * weight])
                if low >= 0, high > low { steps += (high - low) >> 3 }
            }
        }
        left -= steps
        return left < 0 ? PCRE2_ERROR_CALLOUT : 0
    }

    /// An empty text may have no address, which PCRE2 would not take.
    nonisolated(unsafe) static let noBytes: UnsafePointer<UInt8> = {
        let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)  // once for the program, never written to again
        byte.initialize(to: 0)
        return UnsafePointer(byte)
    }()
}
