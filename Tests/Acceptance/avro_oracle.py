"""Reads Avro data with fastavro, for tests that compare.

One JSON object per line on standard input: `writer` and `reader` (schemas as texts) and `data`, or `file`, a container
file (both hexadecimal). One line per line comes back: `value` or `error`; of files the list of their values, and `file`,
the same values as a file of fastavro's with the same schema and codec. Values say their kind by the name of a member: i (integer, as text), d (double,
the bits in hexadecimal), s, x (bytes in hexadecimal), b, l (list), m (record or map); null is null.
"""

import io
import json
import struct
import sys

import fastavro


def tagged(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"d": struct.pack(">d", value).hex()}
    if isinstance(value, str):
        return {"s": value}
    if isinstance(value, bytes):
        return {"x": value.hex()}
    if isinstance(value, list):
        return {"l": [tagged(element) for element in value]}
    return {"m": {name: tagged(member) for name, member in value.items()}}


for line in sys.stdin:
    case = json.loads(line)
    try:
        if "file" in case:
            file = fastavro.reader(io.BytesIO(bytes.fromhex(case["file"])))
            values = list(file)
            copy = io.BytesIO()
            fastavro.writer(copy, file.writer_schema, values, codec=file.codec)
            print(json.dumps({"value": tagged(values), "file": copy.getvalue().hex()}))
            continue
        writer = fastavro.parse_schema(json.loads(case["writer"]))
        reader = fastavro.parse_schema(json.loads(case["reader"]))
        data = io.BytesIO(bytes.fromhex(case["data"]))
        answer = {"value": tagged(fastavro.schemaless_reader(data, writer, reader))}
    except Exception as error:  # whatever it is, it says that the data cannot be read
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))
