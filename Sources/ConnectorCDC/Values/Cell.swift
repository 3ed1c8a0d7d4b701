internal import SQLTypes

/// A value as the server has it, before a column's codec makes a Connect value of it.
enum Cell {
    case null
    /// Signed by the bytes it came in; codecs of unsigned columns take its bits.
    case integer(Int64)
    case float(Float)
    case double(Double)
    case decimal(SQLDecimal)
    /// Valid as long as the event or row it came from.
    case bytes(UnsafeRawBufferPointer)
    /// MariaDB's stored form of a COMPRESSED column.
    case compressed(UnsafeRawBufferPointer)
    /// MySQL's stored form of JSON.
    case json(UnsafeRawBufferPointer)
    case date(year: Int, month: Int, day: Int)
    /// Microseconds, perhaps negative or longer than a day.
    case time(Int64)
    case dateTime(year: Int, month: Int, day: Int, microsecondsOfDay: Int64)
    /// Since 1970 in UTC; nil seconds: the zero timestamp.
    case timestamp(seconds: Int64, microseconds: Int)
    case zeroTimestamp
    /// PostgreSQL does not repeat a long value that stays as it was.
    case unchanged
}
