import SQLTypes

/// Functions of maps.
enum MapFunctions {
    private static let t = ParameterType.generic("T")
    private static let map = ParameterType.map(key: .string, value: .generic("T"))

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "AS_MAP", .map, "The map of the keys and the values that stand in two arrays.",
            [
                .plain(["keys": .array(.string), "values": .array(t)], map) { values, _ throws(EvaluationError) in
                    let keys = values[0].arrayArgument
                    var items = values[1].arrayArgument.prefix(keys.count)
                    while items.count < keys.count { items.append(.null) }
                    return .map(SQLMap(keys: keys, values: Array(items)))
                }
            ]),
        ScalarFunction(
            "ENTRIES", .map, "The entries as an array of structs with the fields K and V.",
            [.int, .bigint, .double, .boolean, .string].map(entries)),
        ScalarFunction(
            "MAP_KEYS", .map, "The keys of the map.",
            [
                .plain(["map": map], .array(.string)) { values, _ throws(EvaluationError) in
                    .array(values[0].mapArgument.javaOrdered.map(\.key))
                }
            ]),
        ScalarFunction(
            "MAP_VALUES", .map, "The values of the map.",
            [
                .plain(["map": map], .array(t)) { values, _ throws(EvaluationError) in
                    .array(values[0].mapArgument.javaOrdered.map(\.value))
                }
            ]),
        ScalarFunction(
            "MAP_UNION", .map, "The entries of both maps; of those with the same key the second map's.",
            [
                .nullable(["map1": map, "map2": map], map) { values, _ throws(EvaluationError) in
                    if values[0].isNull, values[1].isNull { return .null }
                    return .map(values[0].mapArgument.union(values[1].mapArgument))
                }
            ]),
    ]

    private static func entries(_ type: ParameterType) -> FunctionOverload {
        let entry = ParameterType.structure([.init(name: "K", type: .string), .init(name: "V", type: type)])
        return .plain(
            ["map": .map(key: .string, value: type), "sorted": .boolean], .array(entry),
            "Sorted by key when the second argument is true."
        ) { values, _ throws(EvaluationError) in
            var entries = values[0].mapArgument.javaOrdered.map { [$0.key, $0.value] }
            if values[1].boolean == true {
                entries.sort { ($0[0].compare(to: $1[0]) ?? 0) < 0 }
            }
            return .array(entries.map { .structure($0) })
        }
    }
}
