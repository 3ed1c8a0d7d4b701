"""A value is the same whether the snapshot or the log brings it: types and character sets that both know."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from database import Connector, MariaDB, driver, rows  # noqa: E402

COLUMNS = {
    "u": ("UUID", "'123e4567-e89b-12d3-a456-426655440000'"), "u4": ("UUID", "'9b2f4c1e-7d3a-4e5b-8c6d-0f1e2d3c4b00'"), "u7": ("UUID", "'01890a5d-ac96-774b-bcce-b302099a8057'"),
    "u0": ("UUID", "'00000000-0000-0000-0000-000000000000'"), "i4": ("INET4", "'192.168.0.1'"), "i6": ("INET6", "'2001:db8::ff00:42:8329'"),
    "l1": ("VARCHAR(20) CHARACTER SET latin1", "'naïve€'"), "gb": ("VARCHAR(20) CHARACTER SET gbk", "'中文'"),
    "sj": ("VARCHAR(20) CHARACTER SET sjis", "'あア'"), "uj": ("TEXT CHARACTER SET ujis", "'日本'"), "kr": ("CHAR(10) CHARACTER SET euckr", "'가나'"),
    "b5": ("VARCHAR(20) CHARACTER SET big5", "'繁體'"), "ko": ("VARCHAR(20) CHARACTER SET koi8r", "'Привет'"), "gr": ("VARCHAR(20) CHARACTER SET greek", "'αβγ'"),
    "he": ("VARCHAR(20) CHARACTER SET hebrew", "'שלום'"), "w1": ("VARCHAR(20) CHARACTER SET cp1251", "'Привет'"), "l2": ("VARCHAR(20) CHARACTER SET latin2", "'čšž'"),
    "l5": ("VARCHAR(20) CHARACTER SET latin5", "'ğüş'"), "l7": ("VARCHAR(20) CHARACTER SET latin7", "'ąčę'"), "u2": ("VARCHAR(20) CHARACTER SET ucs2", "'é中'"),
    "u16": ("VARCHAR(20) CHARACTER SET utf16", "'😀é'"), "u16l": ("VARCHAR(20) CHARACTER SET utf16le", "'😀é'"), "u32": ("VARCHAR(20) CHARACTER SET utf32", "'😀é'"),
    "th": ("VARCHAR(20) CHARACTER SET tis620", "'ไทย'"), "m3": ("VARCHAR(20) CHARACTER SET utf8mb3", "'é中'"), "en": ("ENUM('a','ü','z') CHARACTER SET latin1", "'ü'"),
    "se": ("SET('a','ü','z') CHARACTER SET latin1", "'a,ü'"), "y": ("YEAR", "1999"), "b3": ("BIT(3)", "b'101'"), "b64": ("BIT(64)", "b'1'"),
    "d": ("DECIMAL(65,30)", "-12345.678901234567890123456789012345"), "d1": ("DECIMAL(18,9)", "-0.000000001"), "d2": ("DECIMAL(9,9)", "0.123456789"),
    "t": ("TIME(6)", "'-838:59:59.000000'"), "t1": ("TIME(1)", "'-00:00:00.1'"), "dt": ("DATETIME(6)", "'9999-12-31 23:59:59.999999'"), "dt1": ("DATETIME(1)", "'1970-01-01 00:00:00.5'"),
    "ts": ("TIMESTAMP(6) NULL", "'2038-01-19 03:14:07.999999'"), "j": ("JSON", "'{\"a\": [1, 2.5, null]}'"), "li": ("MULTIPOINT", "ST_GeomFromText('MULTIPOINT(1 1,2 2)')"),
    "p": ("POINT", "ST_GeomFromText('POINT(3 4)', 4326)"), "vb": ("VARBINARY(300)", "REPEAT(x'00FF', 100)"), "c4": ("CHAR(255)", "REPEAT('é', 255)"),
    "lt": ("LONGTEXT", "REPEAT('abc', 100000)"), "bu": ("BIGINT UNSIGNED", "18446744073709551615"), "z": ("INT(8) ZEROFILL", "42"), "f": ("FLOAT", "-1.25"),
    "cv": ("VARCHAR(2000) COMPRESSED", "REPEAT('ab', 500)"), "cs": ("VARCHAR(100) COMPRESSED CHARACTER SET latin1", "'é'"),
    "ce": ("VARCHAR(100) COMPRESSED", "''"), "ct": ("LONGTEXT COMPRESSED CHARACTER SET latin1", "REPEAT('abcé', 100000)"),
    "cb": ("MEDIUMBLOB COMPRESSED", "REPEAT(x'00FF', 1000)"), "cy": ("VARBINARY(500) COMPRESSED", "REPEAT(x'01', 300)"),
}


@pytest.mark.deadline(120)
@pytest.mark.parametrize("defined,wrapped", [("before", False), ("after", False), ("before", True)])
def test_snapshot_and_log_agree(tmp_path, defined, wrapped):
    if driver() is None:
        pytest.skip("the program ChangeEvents is missing: swift build --product ChangeEvents, or CHANGE_EVENTS=PATH")
    database = MariaDB(tmp_path).start()
    connector = Connector(tmp_path / "connector", database, bigint__unsigned__handling__mode="precise")
    table = f"CREATE TABLE demo.t (id INT PRIMARY KEY, {', '.join(f'{name} {kind}' for name, (kind, _) in COLUMNS.items())})"
    values = ", ".join(value for _, value in COLUMNS.values())
    try:
        database.sql("CREATE DATABASE demo CHARACTER SET utf8mb4; CREATE TABLE demo.first (id INT PRIMARY KEY); INSERT INTO demo.first VALUES (1)")
        if defined == "before":
            database.sql(f"{table}; INSERT INTO demo.t VALUES (1, {values}), (2, {', '.join(['NULL'] * len(COLUMNS))})")
        connector.start()
        connector.wait_for(lambda events: rows(events, "t") if defined == "before" else rows(events, "first"))
        if defined == "after":
            # The definition comes from the log, as it was written.
            database.sql(f"{table}; INSERT INTO demo.t VALUES (1, {values}), (2, {', '.join(['NULL'] * len(COLUMNS))})")
        if wrapped:
            database.sql("SET GLOBAL column_compression_zlib_wrap=ON")
        database.sql("INSERT INTO demo.t SELECT id + 10, " + ", ".join(COLUMNS) + " FROM demo.t ORDER BY id")
        events = connector.wait_for(lambda events: len(rows(events, "t")) == 4)
        first, second, third, fourth = (row for _, row in rows(events, "t"))
        assert third == first | {"id": 11}
        assert fourth == second | {"id": 12}
        for name, (_, value) in COLUMNS.items():
            if value.startswith("'") and "{" not in value and name not in ("t", "t1", "dt", "dt1", "ts"):
                assert first[name] == value.strip("'"), name
    finally:
        connector.kill()
        database.stop()
