"""Reads a Parquet file that ParquetTests wrote with pyarrow and with DuckDB and compares it with what the test meant.

Arguments: the file, its number of rows, its codec. Exit code 1 and the difference when something is not as it should be.
"""

import datetime
import decimal
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def single(value):
    """Rounded to single precision."""
    return pa.array([value], pa.float32())[0].as_py()


def row(n):
    names = ["id", "flag", "small", "real", "number", "name", "raw", "price", "day", "at", "ts", "micros", "doc", "tags",
             "matrix", "scores", "place"]
    if n % 7 == 6:
        return {name: n if name == "id" else None for name in names}
    ms = n * 1000 % 86_400_000
    return dict(zip(names, [
        n, n % 2 == 0, n % 100 - 50, single(n / 4), n / 3, "" if n % 5 == 0 else f"name-{n % 13}-ü",
        bytes([n & 255, 0, 255]), decimal.Decimal(n * 137 - 5000).scaleb(-2),
        datetime.date(1970, 1, 1) + datetime.timedelta(days=n - 1000),
        (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)).time(),
        EPOCH + datetime.timedelta(milliseconds=n * 1_000_003 - 5),
        EPOCH + datetime.timedelta(microseconds=n * 1_000_000_007), '{"n":%d}' % n,
        [None if i == 1 else f"t{i}" for i in range(n % 4)], [[j + n for j in range(i)] for i in range(n % 3)],
        [(f"k{i}", None if i == 0 else float(n)) for i in range(n % 3)],
        {"city": f"c{n % 4}", "codes": list(range(n % 2))},
    ]))


def same(found, wanted, who):
    for index, (a, b) in enumerate(zip(found, wanted)):
        if a != b:
            sys.exit(f"{who}: row {index}\n found {a}\nwanted {b}")
    if len(found) != len(wanted):
        sys.exit(f"{who}: {len(found)} rows, not {len(wanted)}")


def main(path, count, codec):
    wanted = [row(n) for n in range(count)]
    file = pq.ParquetFile(path, page_checksum_verification=True)
    table = file.read()
    table.validate(full=True)
    kinds = {field.name: str(field.type) for field in table.schema}
    expected = {
        "id": "int64", "flag": "bool", "small": "int8", "real": "float", "number": "double", "name": "string",
        "raw": "binary", "price": "decimal128(10, 2)", "day": "date32[day]", "at": "time32[ms]",
        "ts": "timestamp[ms, tz=UTC]", "micros": "timestamp[us, tz=UTC]",
    }
    for name, kind in expected.items():
        if kinds[name] != kind:
            sys.exit(f"pyarrow: {name} is {kinds[name]}, not {kind}")
    same(table.to_pylist(), wanted, "pyarrow")
    used = file.metadata.row_group(0).column(0).compression.lower()
    if used != {"none": "uncompressed"}.get(codec, codec):
        sys.exit(f"compression {used}")
    if file.metadata.metadata.get(b"made.by") != b"a test":
        sys.exit("the metadata is missing")
    rows = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
    ids = [g.column(0).statistics for g in rows]
    if ids[0].min != 0 or ids[-1].max != count - 1 or ids[0].null_count != 0:
        sys.exit(f"statistics {ids}")

    database = duckdb.connect()
    database.execute("SET TimeZone='UTC'")
    relation = database.sql(f"SELECT * FROM read_parquet('{path}') ORDER BY id")
    kinds = dict(zip(relation.columns, map(str, relation.types)))
    expected = {
        "small": "TINYINT", "price": "DECIMAL(10,2)", "day": "DATE", "ts": "TIMESTAMP WITH TIME ZONE",
        "micros": "TIMESTAMP WITH TIME ZONE", "name": "VARCHAR", "raw": "BLOB", "tags": "VARCHAR[]",
        "matrix": "INTEGER[][]", "scores": "MAP(VARCHAR, DOUBLE)", "place": "STRUCT(city VARCHAR, codes INTEGER[])",
    }
    for name, kind in expected.items():
        if kinds[name] != kind:
            sys.exit(f"DuckDB: {name} is {kinds[name]}, not {kind}")
    names = [n for n in relation.columns if n not in ("at", "ts", "micros", "scores")]
    found = [dict(zip(names, r)) for r in relation.project(", ".join(names)).fetchall()]
    same(found, [{n: w[n] for n in names} for w in wanted], "DuckDB")
    micros = relation.project("epoch_us(ts), epoch_us(micros), map_entries(scores)").fetchall()
    since = lambda t: None if t is None else (t - EPOCH) // datetime.timedelta(microseconds=1)  # noqa: E731
    entries = lambda m: None if m is None else [{"key": k, "value": v} for k, v in m]  # noqa: E731
    same(micros, [(since(w["ts"]), since(w["micros"]), entries(w["scores"])) for w in wanted], "DuckDB")
    # The limits of row groups and chunks are used for this.
    half = database.sql(f"SELECT count(*) FROM read_parquet('{path}') WHERE id >= {count // 2}").fetchall()[0][0]
    texts = database.sql(f"SELECT count(*) FROM read_parquet('{path}') WHERE name = 'name-1-ü'").fetchall()[0][0]
    if half != count - count // 2 or texts != sum(w["name"] == "name-1-ü" for w in wanted):
        sys.exit(f"DuckDB: {half} and {texts} rows found by their values")


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
