"""The schema registry as a client of plain HTTP sees it, and processes that serve it."""

import json
import urllib.error
import urllib.parse
import urllib.request

from process import Broker, binary, free_port

JSON = "application/vnd.schemaregistry.v1+json"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The API's own error code."""
        return self.json["error_code"]

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Http:
    """Requests to one registry."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None, timeout=60, **headers):
        names = {"Confluent-Accept-Unknown-Properties": "true"}
        names.update((name.replace("_", "-"), value) for name, value in headers.items())
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            names.setdefault("Content-Type", JSON)
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=names)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def register(self, subject, schema, **members):
        """Registers an Avro schema, given as a value, or with `schemaType` the text of another one."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return self.ask("POST", f"/subjects/{urllib.parse.quote(subject, safe='')}/versions", {"schema": text, **members})


def record(*fields, name="R"):
    """An Avro record; a field is its name, or a pair of name and type, or a triple with its default."""
    made = []
    for field in fields:
        parts = (field, "string") if isinstance(field, str) else field
        made.append(dict(zip(("name", "type", "default"), parts)))
    return {"type": "record", "name": name, "fields": made}


class RegistryBroker(Broker):
    """A broker and its registry in one process."""

    def __init__(self, folder, properties=None, registry_port=None, **options):
        super().__init__(folder, properties, **options)
        self.registry_port = registry_port or free_port()
        self.flags += ["--registry", f"127.0.0.1:{self.registry_port}", "--admin", "none"]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.registry_port}"

    @property
    def http(self):
        return Http(self.url)


class RegistryNode(RegistryBroker):
    """A registry alone, for the topic of another cluster."""

    def __init__(self, folder, bootstrap, **options):
        super().__init__(folder, **options)
        self.bootstrap = bootstrap

    def command(self):
        return [binary(), "start", "--roles", "registry", "--bootstrap-servers", self.bootstrap, *self.flags]
