/// Names of the stores of stream-stream joins have a number in them: that of the node of the original's topology, which
/// counts nodes in the order in which it makes them.
///
/// | step                                   | nodes                                                    |
/// |----------------------------------------|----------------------------------------------------------|
/// | source of a stream; of a table         | 2; 5                                                     |
/// | select, filter, flat map, key of a stream | 1                                                     |
/// | repartition                            | 3: filter, sink, source                                  |
/// | key of a table                         | 6                                                        |
/// | stream-stream join                     | 5: both windows, both joins, merge                       |
/// | stream-table join                      | 1; its right side is made before the left one            |
///
/// Steps above joins of streams name no stores by numbers, so their nodes are not counted exactly.
extension PlanStep {
    func withNumberedStores() -> PlanStep {
        var next = 0
        return numbered(&next)
    }

    private func numbered(_ next: inout Int) -> PlanStep {
        var step = self
        switch operation {
        case .source: next += isTable ? 5 : 2
        case .filter(var filter):
            filter.input = filter.input.numbered(&next)
            next += 1
            step.operation = .filter(filter)
        case .select(var select):
            select.input = select.input.numbered(&next)
            next += 1
            step.operation = .select(select)
        case .flatMap(var flatMap):
            flatMap.input = flatMap.input.numbered(&next)
            next += 1
            step.operation = .flatMap(flatMap)
        case .selectKey(var select):
            select.input = select.input.numbered(&next)
            next += isTable ? 6 : 1
            step.operation = .selectKey(select)
        case .repartition(var repartition):
            repartition.input = repartition.input.numbered(&next)
            next += 3
            step.operation = .repartition(repartition)
        case .group(var group):
            group.input = group.input.numbered(&next)
            step.operation = .group(group)
        case .aggregate(var aggregate):
            aggregate.input = aggregate.input.numbered(&next)
            step.operation = .aggregate(aggregate)
        case .suppress(var suppress):
            suppress.input = suppress.input.numbered(&next)
            step.operation = .suppress(suppress)
        case .streamStreamJoin(var join):
            join.left = join.left.numbered(&next)
            join.right = join.right.numbered(&next)
            // A right join is the left join of the sides in the other order.
            let this = Self.storeName(join.kind == .full ? "OUTERTHIS" : "JOINTHIS", next + 2)
            let other = Self.storeName(join.kind == .inner ? "JOINOTHER" : "OUTEROTHER", next + 3)
            (join.leftStore.name, join.rightStore.name) = join.kind == .right ? (other, this) : (this, other)
            next += 5
            step.operation = .streamStreamJoin(join)
        case .streamTableJoin(var join):
            join.right = join.right.numbered(&next)
            join.left = join.left.numbered(&next)
            next += 1
            step.operation = .streamTableJoin(join)
        case .tableTableJoin(var join):
            join.left = join.left.numbered(&next)
            join.right = join.right.numbered(&next)
            step.operation = .tableTableJoin(join)
        case .foreignKeyJoin(var join):
            join.left = join.left.numbered(&next)
            join.right = join.right.numbered(&next)
            step.operation = .foreignKeyJoin(join)
        case .sink(var sink):
            sink.input = sink.input.numbered(&next)
            step.operation = .sink(sink)
        }
        return step
    }

    private static func storeName(_ node: String, _ number: Int) -> String {
        let digits = String(number)
        return "KSTREAM-\(node)-" + String(repeating: "0", count: max(0, 10 - digits.count)) + digits + "-store"
    }
}
