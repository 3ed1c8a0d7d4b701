"""Plays REST conformance cases against a running SQL server and judges its answers.

    rest_cases.py --bootstrap HOST:PORT --sql URL [--registry URL] FOLDER [--only REGEX] [--verbose]

FOLDER holds JSON files `{"tests": [CASE, ...]}`. A case has statements, records for topics, and the answers that are
expected: first those of the statements, then one for each query, or the error of the last request, or the first records of
topics. The server should start queries at the earliest record unless told otherwise, and have scalable push queries and
header columns switched on.

Prints a line for each case (`ok NAME` or `FAIL NAME: reason`), then counts. The last line is `N passed, N failed`, and the
exit code is 0 if nothing failed. A case removes what it made: queries, sources, topics, subjects.

Rows of pull queries are asked for again until they are as expected or `--patience` seconds have passed, since a server may
still be busy with the records that were sent.
"""

import argparse
import base64
import io
import json
import re
import struct
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import confluent_kafka
import kafka
import requests
from confluent_kafka.admin import AdminClient, NewTopic

KSQL_JSON = "application/vnd.ksql.v1+json"
KSQL_PROTOBUF = "application/vnd.ksql.v1+protobuf"


class Failure(Exception):
    """The server did not answer as expected."""


# --- JSON that keeps the spelling of numbers -------------------------------------------------------------------------


class Number(float):
    """A number with a fraction, and how it was written."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number


def read_json(text):
    return json.loads(text, parse_float=Number)


def write_json(value):
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(key) + ":" + write_json(item) for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write_json, value)) + "]"
    if isinstance(value, Number):
        return value.text
    return json.dumps(value, ensure_ascii=False)


# --- Records as bytes and back ---------------------------------------------------------------------------------------


def field_of(value, name):
    """A member of an object whatever the case of its name, and whether it is there."""
    if name in value:
        return value[name], True
    for key, item in value.items():
        if key.upper() == name.upper():
            return item, True
    return None, False


class Registry:
    """Schemas of subjects, read once for each case."""

    def __init__(self, url):
        self.url = url.rstrip("/") if url else None
        self.session = requests.Session()
        self.schemas = {}

    def forget(self):
        self.schemas = {}

    def register(self, subject, kind, schema, schema_id=None, references=()):
        body = {"schema": schema, "schemaType": kind}
        if references:
            body["references"] = list(references)
        if schema_id is not None:
            # A schema gets an id of our choice in import mode only.
            self._put(f"/mode/{quote(subject, safe='')}?force=true", {"mode": "IMPORT"})
            body["id"] = schema_id
            body["version"] = 1
        answer = self.session.post(f"{self.url}/subjects/{quote(subject, safe='')}/versions", json=body, timeout=20)
        if schema_id is not None:
            self._put(f"/mode/{quote(subject, safe='')}?force=true", {"mode": "READWRITE"})
        if answer.status_code != 200:
            raise Failure(f"subject {subject}: {answer.text}")

    def _put(self, path, body):
        self.session.put(self.url + path, json=body, timeout=20)

    def latest(self, subject):
        return self._schema(("subject", subject), f"/subjects/{quote(subject, safe='')}/versions/latest")

    def by_id(self, schema_id):
        return self._schema(("id", schema_id), f"/schemas/ids/{schema_id}")

    def _schema(self, key, path):
        if key not in self.schemas:
            answer = self.session.get(self.url + path, timeout=20)
            if answer.status_code != 200:
                raise Failure(f"registry {path}: {answer.text}")
            body = answer.json()
            self.schemas[key] = Schema(self, body.get("schemaType", "AVRO"), body["schema"], body.get("references", []))
            self.schemas[key].id = body.get("id", key[1])
        return self.schemas[key]

    def remove(self, prefixes):
        answer = self.session.get(f"{self.url}/subjects", timeout=20)
        for subject in answer.json() if answer.status_code == 200 else []:
            if any(subject in (f"{prefix}-key", f"{prefix}-value", prefix) for prefix in prefixes):
                path = f"{self.url}/subjects/{quote(subject, safe='')}"
                self.session.delete(path, timeout=20)
                self.session.delete(path + "?permanent=true", timeout=20)


class Schema:
    def __init__(self, registry, kind, text, references):
        self.registry = registry
        self.kind = kind
        self.text = text
        self.references = references
        self.parsed = None

    def avro(self):
        import fastavro

        if self.parsed is None:
            self.parsed = fastavro.parse_schema(json.loads(self.text))
        return self.parsed

    def message(self):
        """The class of the text's first message."""
        if self.parsed is None:
            others = {}
            for reference in self.references:
                others[reference["name"]] = self.registry.latest(reference["subject"]).text
            self.parsed = protobuf_message(self.text, others)
        return self.parsed


def protobuf_message(text, others=None):
    """The class of the first message of a .proto text."""
    import grpc_tools
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory(prefix="rest-cases-") as folder:
        for name, content in {"case.proto": text, **(others or {})}.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        include = Path(grpc_tools.__file__).parent / "_proto"
        arguments = ["protoc", f"-I{folder}", f"-I{include}", "--include_imports", f"-o{folder}/out", "case.proto"]
        if protoc.main(arguments) != 0:
            raise Failure(f"protoc refuses\n{text}")
        files = descriptor_pb2.FileDescriptorSet.FromString((Path(folder) / "out").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    last = pool.FindFileByName("case.proto")
    name = files.file[-1].message_type[0].name
    return message_factory.GetMessageClass(last.message_types_by_name[name])


def to_avro(value, schema):
    """A JSON value as fastavro wants it for a schema."""
    if isinstance(schema, list):
        if value is None:
            return None
        for option in schema:
            if option != "null":
                return to_avro(value, option)
        return None
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(kind, (dict, list)):
        return to_avro(value, kind)
    if value is None:
        return None
    if kind == "record":
        row = {}
        for field in schema["fields"]:
            item, found = field_of(value, field["name"])
            if found or "default" not in field:
                row[field["name"]] = to_avro(item, field["type"])
        return row
    if kind == "array":
        return [to_avro(item, schema["items"]) for item in value]
    if kind == "map":
        return {key: to_avro(item, schema["values"]) for key, item in value.items()}
    if kind in ("int", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "string":
        return value if isinstance(value, str) else write_json(value)
    if kind == "bytes" and isinstance(value, str):
        return base64.b64decode(value)
    return value


def fill_message(message, value):
    """Sets the fields of a Protobuf message from a JSON object."""
    for field in message.DESCRIPTOR.fields:
        item, found = field_of(value, field.name)
        if not found or item is None:
            continue
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            entry = field.message_type.fields_by_name["value"]
            for key, inner in item.items():
                if entry.message_type is not None:
                    fill_message(getattr(message, field.name)[key], inner)
                else:
                    getattr(message, field.name)[key] = scalar(inner, entry)
        elif field.is_repeated:
            for inner in item:
                if field.message_type is not None:
                    fill_message(getattr(message, field.name).add(), inner)
                else:
                    getattr(message, field.name).append(scalar(inner, field))
        elif field.message_type is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            if field.message_type.full_name.startswith("google.protobuf.") and "value" in target.DESCRIPTOR.fields_by_name:
                target.value = scalar(item, target.DESCRIPTOR.fields_by_name["value"])
            else:
                fill_message(target, item)
        else:
            setattr(message, field.name, scalar(item, field))


def scalar(value, field):
    if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64, field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        return int(value)
    if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return float(value)
    if field.type == field.TYPE_BYTES:
        return base64.b64decode(value)
    return value


def message_value(message):
    """A Protobuf message as JSON value with all its fields."""
    value = {}
    for field in message.DESCRIPTOR.fields:
        item = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value[field.name] = {
                str(key): message_value(inner) if hasattr(inner, "DESCRIPTOR") else inner for key, inner in item.items()
            }
        elif field.is_repeated:
            value[field.name] = [message_value(inner) if hasattr(inner, "DESCRIPTOR") else inner for inner in item]
        elif field.message_type is not None:
            value[field.name] = message_value(item) if message.HasField(field.name) else None
        else:
            value[field.name] = base64.b64encode(item).decode() if isinstance(item, bytes) else item
    return value


class Side:
    """Keys or values of a topic."""

    def __init__(self, registry, topic, side, form, columns):
        self.registry = registry
        self.subject = f"{topic}-{side}"
        self.format = form
        self.columns = columns

    def encode(self, value):
        if value is None or self.format == "NONE":
            return None
        if self.format in ("JSON", "JSON_SR"):
            body = write_json(value).encode()
            return self._framed(body, b"") if self.format == "JSON_SR" else body
        if self.format == "DELIMITED":
            return (value if isinstance(value, str) else write_json(value)).encode()
        if self.format == "KAFKA":
            return self._kafka(value)
        if self.format == "AVRO":
            import fastavro

            schema = self.registry.latest(self.subject)
            body = io.BytesIO()
            fastavro.schemaless_writer(body, schema.avro(), to_avro(value, json.loads(schema.text)))
            return self._framed(body.getvalue(), b"")
        if self.format == "PROTOBUF":
            message = self.registry.latest(self.subject).message()()
            fill_message(message, value)
            return self._framed(message.SerializeToString(), b"\0")
        raise Failure(f"format {self.format} is not known")

    def _framed(self, body, indexes):
        return b"\0" + struct.pack(">I", self.registry.latest(self.subject).id) + indexes + body

    def _kafka(self, value):
        kind = self.columns[0][1] if self.columns else "STRING"
        if isinstance(value, dict) and kind != "STRUCT":
            value = next(iter(value.values()), None)
            if value is None:
                return None
        if kind == "INTEGER":
            return struct.pack(">i", int(value))
        if kind == "BIGINT":
            return struct.pack(">q", int(value))
        if kind == "DOUBLE":
            return struct.pack(">d", float(value))
        return (value if isinstance(value, str) else write_json(value)).encode()

    def decode(self, data):
        if data is None or self.format == "NONE":
            return None
        if self.format == "JSON":
            return read_json(data)
        if self.format == "JSON_SR":
            return read_json(data[5:])
        if self.format == "KAFKA":
            kind = self.columns[0][1] if self.columns else "STRING"
            if kind in ("INTEGER", "BIGINT", "DOUBLE"):
                return struct.unpack({"INTEGER": ">i", "BIGINT": ">q", "DOUBLE": ">d"}[kind], data)[0]
            return data.decode()
        if self.format == "AVRO":
            import fastavro

            schema = self.registry.by_id(struct.unpack(">I", data[1:5])[0])
            return fastavro.schemaless_reader(io.BytesIO(data[5:]), schema.avro())
        if self.format == "PROTOBUF":
            schema = self.registry.by_id(struct.unpack(">I", data[1:5])[0])
            if data[5] != 0:
                raise Failure("a record of another message than the first")
            return message_value(schema.message().FromString(data[6:]))
        return data.decode()


def windowed(key, window):
    """The bytes of a key with those of its window behind them."""
    start, end = window["start"], window["end"]
    if window["type"] == "SESSION":
        return key + struct.pack(">qq", end, start)
    return key + struct.pack(">q", start)


# --- The server ------------------------------------------------------------------------------------------------------


class Server:
    def __init__(self, url, timeout):
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.session = requests.Session()

    def statements(self, text, properties=None):
        body = {"ksql": text, "streamsProperties": properties or {}}
        return self.session.post(
            self.url + "/ksql", data=json.dumps(body), headers={"Content-Type": KSQL_JSON}, timeout=self.timeout
        )

    def entities(self, text):
        answer = self.statements(text)
        if answer.status_code != 200:
            raise Failure(f"{text}: {answer.text}")
        return answer.json()

    def sources(self):
        """Names of all streams and tables: (kind, name, topic), latest first is not known."""
        found = []
        for entity in self.entities("SHOW STREAMS; SHOW TABLES;"):
            for kind in ("streams", "tables"):
                for source in entity.get(kind, []) if entity["@type"] == kind else []:
                    found.append((kind[:-1].upper(), source["name"], source["topic"]))
        return found

    def describe(self, name):
        return self.entities(f"DESCRIBE `{name}`;")[0]["sourceDescription"]

    def query(self, text, properties, protobuf=False, on_header=None):
        """Status, and the rows or the error."""
        if protobuf:
            path, body = "/query-stream", {"sql": text, "properties": properties or {}}
            headers = {"Content-Type": KSQL_JSON, "Accept": KSQL_PROTOBUF}
        else:
            path, body = "/query", {"ksql": text, "streamsProperties": properties or {}}
            headers = {"Content-Type": KSQL_JSON, "Accept": KSQL_JSON}
        with self.session.post(
            self.url + path, data=json.dumps(body), headers=headers, timeout=self.timeout, stream=True
        ) as answer:
            if answer.status_code != 200:
                return answer.status_code, answer.json()
            rows = []
            # One member of the array on each line.
            for line in answer.iter_lines(chunk_size=None):
                text = line.decode().strip().strip(",").strip()
                if text.startswith("["):
                    text = text[1:]
                if text.endswith("]") and (text == "]" or balance(text) < 0):
                    text = text[:-1]
                text = text.strip().strip(",")
                if not text:
                    continue
                rows.append(read_json(text))
                if on_header and len(rows) == 1:
                    on_header()
            return 200, rows


def balance(text):
    """How many more arrays begin than end, outside of texts."""
    depth, is_text, is_escaped = 0, False, False
    for letter in text:
        if is_text:
            if is_escaped:
                is_escaped = False
            elif letter == "\\":
                is_escaped = True
            elif letter == '"':
                is_text = False
        elif letter == '"':
            is_text = True
        elif letter == "[":
            depth += 1
        elif letter == "]":
            depth -= 1
    return depth


# --- Judging ---------------------------------------------------------------------------------------------------------


def differs(expected, actual, path=""):
    """Why an answer is not as expected; None when it is. Members that are not expected do not count in objects."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return f"{path}: expected {write_json(expected)}, got {write_json(actual)}"
        for name, item in expected.items():
            name, _, rule = name.partition("|")
            if name not in actual:
                return f"{path}: there is no {name} in {write_json(actual)}"
            if rule == "starts_with":
                if not str(actual[name]).startswith(item):
                    return f"{path}.{name}: {actual[name]!r} does not start with {item!r}"
            else:
                reason = differs(item, actual[name], f"{path}.{name}")
                if reason:
                    return reason
        return None
    if not same(expected, actual):
        return f"{path}: expected {write_json(expected)}, got {write_json(actual)}"
    return None


def same(expected, actual):
    """Whether two values of a row are equal."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, (int, float)) and isinstance(actual, (int, float)):
        return expected == actual or abs(expected - actual) < 1e-6
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(expected, dict) and isinstance(actual, dict):
        if len(expected) != len(actual):
            return False
        for name, item in expected.items():
            other, found = field_of(actual, name)
            if not found or not same(item, other):
                return False
        return True
    if isinstance(expected, str) and isinstance(actual, (bytes, bytearray)):
        return expected == base64.b64encode(actual).decode()
    if isinstance(expected, (int, float)) and hasattr(actual, "as_tuple"):
        return abs(float(actual) - expected) < 1e-6
    return type(expected) is type(actual) and expected == actual


def columns_key(row):
    return write_json(row["row"].get("columns", row["row"])) if isinstance(row.get("row"), dict) else write_json(row)


def rows_differ(expected, actual, is_ordered):
    if len(expected) != len(actual):
        return f"expected {len(expected)} rows, got {len(actual)}: {write_json(actual)}"
    if is_ordered:
        pairs = zip(expected, actual)
    else:
        # Rows may come in any order, headers and final messages keep their places.
        def is_row(row):
            return "row" in row

        if [is_row(row) for row in expected] != [is_row(row) for row in actual]:
            return f"rows and messages are mixed: {write_json(actual)}"
        rest = [row for row in actual if is_row(row)]
        pairs = []
        for index, row in enumerate(expected):
            if not is_row(row):
                pairs.append((row, actual[index]))
                continue
            match = next((other for other in rest if differs(row, other) is None), None)
            if match is None:
                return f"there is no {write_json(row)} among {write_json(actual)}"
            rest.remove(match)
    for row, other in pairs:
        reason = differs(row, other, "row")
        if reason:
            return reason
    return None


def proto_rows(rows):
    """Rows of a Protobuf answer in the form of the cases: the text of each message."""
    from google.protobuf import text_format

    message = None
    result = []
    for row in rows:
        if "header" in row:
            message = protobuf_message(row["header"]["protoSchema"])
            result.append({"header": {"protoSchema": row["header"]["protoSchema"]}})
        elif "row" in row:
            decoded = message.FromString(base64.b64decode(row["row"]["protobufBytes"]))
            result.append({"row": text_format.MessageToString(decoded)})
        else:
            result.append(row)
    return result


# --- A case ----------------------------------------------------------------------------------------------------------


class Player:
    def __init__(self, bootstrap, sql, registry, patience, timeout):
        self.server = Server(sql, timeout)
        self.registry = Registry(registry)
        self.bootstrap = bootstrap
        self.patience = patience
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.producer = self.zero_producer = None
        self.number = 0

    def play(self, case):
        """Raises `Failure` when the server does not answer as the case expects."""
        self.number += 1
        self.registry.forget()
        case = self.renamed(case)
        topics = self.topics(case)
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 0, "partitioner": "murmur2_random", "acks": "all"}
        )
        try:
            self.make(case, topics)
            self.run(case)
        finally:
            # A producer that lives on asks for its topics again, which makes those that are gone.
            if self.zero_producer is not None:
                self.zero_producer.close(5)
            self.producer = self.zero_producer = None
            self.clean(case, topics)

    def renamed(self, case):
        """The case with topics of its own, so that no case waits until those of another are gone."""
        names = set(re.findall(r"(?i)kafka_topic\s*=\s*'([^']+)'", " ".join(case["statements"])))
        names |= {topic["name"] for topic in case.get("topics", [])}
        text = write_json(case)
        for name in sorted(names, key=len, reverse=True):
            # A name that a source has as well would be renamed with it.
            if re.search(rf"(?i)(stream|table|from|join|into)\s+(if not exists\s+)?`?{re.escape(name)}\b", text):
                continue
            text = re.sub(rf"\b{re.escape(name)}\b", f"{name}_{self.number}", text)
        # Ids of schemas as well: what an id means never changes, and servers keep it.
        ids = set(re.findall(r"(?i)_schema_id\s*=\s*(\d+)", text))
        for number in ids:
            own = str(int(number) + 1000 * self.number)
            text = re.sub(rf"(?i)(_schema_id\s*=\s*|_schema_id |SchemaId\":\s*){number}\b", rf"\g<1>{own}", text)
        return read_json(text)

    def topics(self, case):
        """Partition counts of the topics that are there before the first statement."""
        topics = {topic["name"]: topic.get("partitions", 1) for topic in case.get("topics", [])}
        for statement in case["statements"]:
            made = re.match(r"(?is)\s*create\s+(or\s+replace\s+)?(source\s+)?(stream|table)\b", statement)
            name = re.search(r"(?i)kafka_topic\s*=\s*'([^']+)'", statement)
            if not made or not name or re.search(r"(?is)\bas\s+select\b", statement):
                continue
            partitions = re.search(r"(?i)partitions\s*=\s*'?(\d+)", statement)
            topics.setdefault(name.group(1), int(partitions.group(1)) if partitions else 4)
        for record in case.get("inputs", []) + case.get("outputs", []):
            if not any(
                record["topic"].upper() == other.upper()
                for statement in case["statements"]
                for other in re.findall(r"(?i)create\s+(?:stream|table)\s+`?(\w+)", statement)
            ):
                topics.setdefault(record["topic"], 4)
        return topics

    def make(self, case, topics):
        if topics:
            wanted = [NewTopic(name, num_partitions=count, replication_factor=1) for name, count in topics.items()]
            for name, future in self.admin.create_topics(wanted).items():
                try:
                    future.result(20)
                except confluent_kafka.KafkaException as error:
                    if error.args[0].code() != confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
        for topic in case.get("topics", []):
            for side in ("key", "value"):
                schema = topic.get(f"{side}Schema")
                if schema is None:
                    continue
                kind = {"JSON_SR": "JSON"}.get(topic.get(f"{side}Format", "AVRO"), topic.get(f"{side}Format", "AVRO"))
                references = []
                for reference in topic.get(f"{side}SchemaReferences", []):
                    text = reference["schema"]
                    text = text if isinstance(text, str) else write_json(text)
                    form = {"JSON_SR": "JSON"}.get(reference["format"], reference["format"])
                    self.registry.register(reference["name"], form, text)
                    references.append({"name": reference["name"], "subject": reference["name"], "version": 1})
                text = schema if isinstance(schema, str) else write_json(schema)
                self.registry.register(
                    f"{topic['name']}-{side}", kind, text, topic.get(f"{side}SchemaId"), references
                )

    def run(self, case):
        statements = case["statements"]
        first = next((i for i, text in enumerate(statements) if text.upper().startswith("SELECT ")), len(statements))
        admin, queries = statements[:first], statements[first:]
        properties = case.get("properties", {})
        expected = case.get("responses", [])
        error = case.get("expectedError")
        actual = []
        if admin:
            answer = self.server.statements("\n".join(admin), properties)
            if answer.status_code != 200:
                return self.judge_error(error, answer.status_code, answer.json(), admin, queries)
            actual = [{"admin": entity} for entity in answer.json()]
        wanted = [item for item in expected if "admin" in item]
        for index, item in enumerate(wanted):
            if index >= len(actual):
                raise Failure(f"answer {index} is missing: {write_json(item)}")
            reason = differs(item["admin"], actual[index]["admin"], f"answer {index}")
            if reason:
                raise Failure(reason)
        waits = case.get("inputConditions", {}).get("waitForActivePushQuery", False)
        if not waits:
            self.produce(case)
        rows = [item for item in expected if "query" in item]
        protos = [item for item in expected if "queryProto" in item]
        is_ordered = case.get("outputConditions", {}).get("verifyOrder", False)
        for index, text in enumerate(queries):
            is_last = index == len(queries) - 1
            item = rows[index] if index < len(rows) else None
            self.ask(text, properties, item and item["query"], error if is_last else None, is_ordered, False,
                     case if waits else None, queries)
        if case.get("testPullWithProtoFormat"):
            for index, text in enumerate(queries):
                item = protos[index] if index < len(protos) else None
                self.ask(text, properties, item and item["queryProto"], None, is_ordered, True, None, queries)
        if error and not queries:
            raise Failure(f"did not fail with {error['message']!r}")
        self.judge_outputs(case)

    def ask(self, text, properties, expected, error, is_ordered, protobuf, waiting, queries):
        is_push = re.search(r"(?i)\bemit\s+(changes|final)\b", text)
        deadline = time.monotonic() + self.patience
        while True:
            on_header = (lambda: self.produce(waiting)) if waiting else None
            status, body = self.server.query(text, properties, protobuf, on_header)
            if error:
                if status == 200:
                    failed = next((row["errorMessage"] for row in body if "errorMessage" in row), None)
                    if failed is None:
                        raise Failure(f"{text} did not fail with {error['message']!r}, but gave {write_json(body)}")
                    body = failed
                return self.judge_error(error, status, body, [], queries)
            if status != 200:
                reason = f"{status} {write_json(body)}"
            elif expected is None:
                return None
            else:
                reason = rows_differ(expected, proto_rows(body) if protobuf else body, is_ordered)
            if reason is None:
                return None
            if is_push or time.monotonic() > deadline:
                raise Failure(f"{text} {reason}")
            time.sleep(0.05)

    def judge_error(self, error, status, body, admin, queries):
        if not error:
            raise Failure(f"{status} {write_json(body)}")
        if error.get("status") and status not in (200, error["status"]):
            raise Failure(f"status {status} and not {error['status']}: {write_json(body)}")
        if error.get("errorType") and body.get("@type") != error["errorType"]:
            raise Failure(f"{body.get('@type')} and not {error['errorType']}: {write_json(body)}")
        if error["message"] not in body.get("message", ""):
            raise Failure(f"expected {error['message']!r} in {body.get('message')!r}")
        if error.get("errorType") == "statement_error":
            last = (queries or admin)[-1] if not admin else None
            if last and body.get("statementText", "").strip().rstrip(";") not in last:
                raise Failure(f"statementText is {body.get('statementText')!r}")
            if not body.get("statementText"):
                raise Failure("there is no statementText")

    # --- Records

    def sides(self):
        """Keys and values of each topic that a source has."""
        found = {}
        for _, name, topic in self.server.sources():
            if topic in found:
                continue
            about = self.server.describe(name)
            keys = [(f["name"], f["schema"]["type"]) for f in about["fields"] if f.get("type") == "KEY"]
            values = [(f["name"], f["schema"]["type"]) for f in about["fields"] if f.get("type") is None]
            found[topic] = (
                Side(self.registry, topic, "key", about["keyFormat"], keys),
                Side(self.registry, topic, "value", about["valueFormat"], values),
            )
        return found

    def produce(self, case):
        records = case.get("inputs", [])
        if not records:
            return
        sides = self.sides()
        failed = []
        last_topic = None
        for record in records:
            if record["topic"] != last_topic and last_topic is not None:
                # What joins give depends on which topic's record they see first. Without the flush the broker has them in
                # any order, and without the pause a query may read the second topic a moment before the first.
                self.producer.flush(20)
                time.sleep(0.03)
            last_topic = record["topic"]
            key, value = sides.get(record["topic"]) or (
                Side(self.registry, record["topic"], "key", "KAFKA", []),
                Side(self.registry, record["topic"], "value", "JSON", []),
            )
            data = key.encode(record.get("key"))
            if record.get("window") and data is not None:
                data = windowed(data, record["window"])
            headers = [
                (header["KEY"], None if header["VALUE"] is None else base64.b64decode(header["VALUE"]))
                for header in record.get("headers") or []
            ]
            time_stamp = record.get("timestamp", 0)
            if time_stamp == 0:
                # librdkafka takes 0 for the time that it is; records keep their order.
                self.producer.flush(20)
                self.produce_at_zero(record["topic"], data, value.encode(record.get("value")), headers)
                continue
            self.producer.produce(
                record["topic"], key=data, value=value.encode(record.get("value")), timestamp=time_stamp,
                headers=headers, on_delivery=lambda error, _: failed.append(error) if error else None,
            )
        self.producer.flush(20)
        if failed:
            raise Failure(f"a record was not taken: {failed[0]}")

    def produce_at_zero(self, topic, key, value, headers):
        if self.zero_producer is None:
            self.zero_producer = kafka.KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        self.zero_producer.send(topic, value=value, key=key, headers=headers, timestamp_ms=0).get(20)

    def judge_outputs(self, case):
        by_topic = {}
        for record in case.get("outputs", []):
            by_topic.setdefault(record["topic"], []).append(record)
        if not by_topic:
            return
        sides = self.sides()
        for topic, records in by_topic.items():
            key, value = sides[topic]
            actual = self.consume(topic, len(records))
            if len(actual) < len(records):
                raise Failure(f"{topic} has {len(actual)} records and not {len(records)}")
            for record, message in zip(records, actual):
                kind, time_stamp = message.timestamp()
                if "timestamp" in record and time_stamp != record["timestamp"]:
                    raise Failure(f"{topic}: timestamp {time_stamp} and not {record['timestamp']}")
                for name, side, data in (("key", key, message.key()), ("value", value, message.value())):
                    if name in record and not same(record[name], side.decode(data)):
                        raise Failure(f"{topic}: {name} {side.decode(data)!r} and not {write_json(record[name])}")

    def consume(self, topic, count):
        """The first records of a topic, partition after partition, by time."""
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": f"rest-cases-{self.number}",
             "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )
        try:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
            messages = []
            deadline = time.monotonic() + self.patience
            while len(messages) < count and time.monotonic() < deadline:
                message = consumer.poll(0.1)
                if message is not None and message.error() is None:
                    messages.append(message)
            if len(partitions) > 1:
                messages.sort(key=lambda message: message.timestamp()[1])
            return messages
        finally:
            consumer.close()

    # --- Afterwards

    def clean(self, case, topics):
        names = set(topics)
        self.server.statements("TERMINATE ALL;")
        for _ in range(20):
            sources = self.server.sources()
            if not sources:
                break
            for kind, name, topic in reversed(sources):
                names.add(topic)
                self.server.statements(f"DROP {kind} IF EXISTS `{name}`;")
        for statement in case["statements"]:
            made = re.match(r"(?i)\s*create\s+type\s+(?:if\s+not\s+exists\s+)?(\S+)", statement)
            if made:
                self.server.statements(f"DROP TYPE IF EXISTS {made.group(1)};")
        if names:
            for future in self.admin.delete_topics(sorted(names)).values():
                try:
                    future.result(20)
                except confluent_kafka.KafkaException:
                    pass  # the statement that would have made it failed
        if self.registry.url:
            references = {r["name"] for t in case.get("topics", []) for s in ("key", "value")
                          for r in t.get(f"{s}SchemaReferences", [])}
            self.registry.remove(names | references)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", required=True, help="the Kafka cluster, HOST:PORT")
    parser.add_argument("--sql", required=True, help="the SQL server, http://HOST:PORT")
    parser.add_argument("--registry", help="the schema registry, http://HOST:PORT")
    parser.add_argument("--only", help="plays cases whose name this expression is found in")
    parser.add_argument("--patience", type=float, default=8, help="seconds until rows must be as expected")
    parser.add_argument("--timeout", type=float, default=20, help="seconds that a request may take")
    parser.add_argument("--verbose", action="store_true", help="prints the time of each case")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    player = Player(options.bootstrap, options.sql, options.registry, options.patience, options.timeout)
    passed = failed = skipped = 0
    files = sorted(options.folder.glob("*.json")) if options.folder.is_dir() else [options.folder]
    for file in files:
        for case in read_json(file.read_text())["tests"]:
            if options.only and not re.search(options.only, case["name"]):
                continue
            if {"test-udf", "java-class"} & set(case.get("requires", [])):
                skipped += 1
                continue
            began = time.monotonic()
            try:
                player.play(case)
                passed += 1
                verdict = f"ok {case['name']}"
            except (Failure, requests.RequestException, confluent_kafka.KafkaException) as reason:
                failed += 1
                verdict = f"FAIL {case['name']}: {reason}"
            except Exception as reason:  # what the server sent could not be read
                failed += 1
                verdict = f"FAIL {case['name']}: {type(reason).__name__}: {reason}"
            print(verdict + (f" ({time.monotonic() - began:.2f} s)" if options.verbose else ""), flush=True)
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
