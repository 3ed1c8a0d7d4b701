/// The aggregate functions that every server has.
enum AggregateFunctions {
    static let all: [AggregateFunction] = [
        SumAggregates.sum, SumAggregates.sumList, SumAggregates.average, SumAggregates.count,
        ExtremeAggregates.min, ExtremeAggregates.max, ExtremeAggregates.topK, ExtremeAggregates.topKDistinct,
        StatisticAggregates.deviationSample, StatisticAggregates.deviationSamp, StatisticAggregates.correlation,
        StatisticAggregates.countDistinct, CollectingAggregates.list, CollectingAggregates.set,
        CollectingAggregates.histogram, CollectingAggregates.attribute, OffsetAggregates.earliest,
        OffsetAggregates.latest,
    ]
}
