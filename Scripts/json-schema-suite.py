#!/usr/bin/env python3
"""Gets cases for Tests/JSONSchemaTests/SuiteTests.swift into a folder.

    Scripts/json-schema-suite.py FOLDER [--random COUNT] [--seed NUMBER]

Without --random: the public JSON Schema Test Suite, as the source package of Python's jsonschema has it.
With --random: COUNT random schemas of each draft with ten values each, judged by the installed jsonschema.
Then: SWIFTWATER_JSON_SCHEMA_SUITE=FOLDER swift test --filter SuiteTests
"""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile

DRAFTS = {
    "draft4": "Draft4Validator",
    "draft6": "Draft6Validator",
    "draft7": "Draft7Validator",
    "draft2019-09": "Draft201909Validator",
    "draft2020-12": "Draft202012Validator",
}
NAMES = ["a", "b", "c", "aa", "é"]
PATTERNS = ["^a", "b$", "^[a-c]+$", "é|c", "a{2}"]


def fetch(folder):
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", scratch,
             "jsonschema"],
            check=True)
        (archive,) = pathlib.Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        (suite,) = pathlib.Path(scratch).glob("*/json")
        for part in ["tests", "remotes"]:
            shutil.copytree(suite / part, folder / part, dirs_exist_ok=True)


class Maker:
    """Random schemas of one draft, and values that have a chance to be valid."""

    def __init__(self, draft, seed):
        self.draft = draft
        self.random = random.Random(seed)
        self.targets = ""  # the definitions that may be referred to

    def value(self, depth=0):
        r = self.random
        kind = r.randrange(8 if depth < 3 else 5)
        if kind == 0:
            return r.choice([None, True, False])
        if kind == 1:
            return r.randrange(-5, 8)
        if kind == 2:
            return r.choice([0.5, 1.0, -2.25, 3.0, 1e3])
        if kind in (3, 4):
            return "".join(r.choice("abcé") for _ in range(r.randrange(5)))
        if kind == 5:
            return [self.value(depth + 1) for _ in range(r.randrange(4))]
        return {name: self.value(depth + 1) for name in r.sample(NAMES, r.randrange(4))}

    def schemas(self, depth, most=3):
        return [self.schema(depth) for _ in range(self.random.randrange(1, most))]

    def schema(self, depth=0):
        r = self.random
        modern = self.draft.startswith("draft20")
        if depth > 3 or r.random() < 0.08:
            if self.draft == "draft4":
                return r.choice([{}, {"type": "string"}])
            return r.choice([True, False, {}, {"type": "number"}])
        makers = {
            "type": lambda: r.choice(
                [r.choice(["string", "number", "object", "array", "null", "boolean"]),
                 r.sample(["string", "number", "object", "array", "null"], 2), "integer" if self.draft != "draft4" else
                 "number"]),
            "enum": lambda: [self.value() for _ in range(r.randrange(1, 5))],
            "minimum": lambda: r.randrange(-4, 5), "maximum": lambda: r.choice([2.5, 4, 0]),
            "multipleOf": lambda: r.choice([2, 0.5, 3]),
            "minLength": lambda: r.randrange(4), "maxLength": lambda: r.randrange(4),
            "pattern": lambda: r.choice(PATTERNS),
            "minItems": lambda: r.randrange(3), "maxItems": lambda: r.randrange(4), "uniqueItems": lambda: True,
            "minProperties": lambda: r.randrange(3), "maxProperties": lambda: r.randrange(4),
            "required": lambda: r.sample(NAMES, r.randrange(1, 3)),
            "properties": lambda: {name: self.schema(depth + 1) for name in r.sample(NAMES, r.randrange(1, 4))},
            "patternProperties": lambda: {p: self.schema(depth + 1) for p in r.sample(PATTERNS, r.randrange(1, 3))},
            "additionalProperties": lambda: self.schema(depth + 1) if r.random() < 0.7 else r.random() < 0.3,
            "items": lambda: self.schema(depth + 1), "not": lambda: self.schema(depth + 1),
            "allOf": lambda: self.schemas(depth + 1), "anyOf": lambda: self.schemas(depth + 1, 4),
            "oneOf": lambda: self.schemas(depth + 1, 4),
        }
        if self.targets:
            makers["$ref"] = lambda: "#/definitions/" + r.choice(self.targets)
        if self.draft != "draft2020-12":
            makers["additionalItems"] = lambda: self.schema(depth + 1)
            if r.random() < 0.3:
                makers["items"] = lambda: self.schemas(depth + 1)
        if self.draft != "draft4":
            makers["const"] = self.value
            makers["contains"] = lambda: self.schema(depth + 1)
            makers["propertyNames"] = lambda: self.schema(depth + 1)
            makers["exclusiveMinimum"] = lambda: r.randrange(-4, 5)
        if self.draft not in ("draft4", "draft6"):
            for keyword in ["if", "then", "else"]:
                makers[keyword] = lambda: self.schema(depth + 1)
        if modern:
            makers["minContains"] = lambda: r.randrange(3)
            makers["maxContains"] = lambda: r.randrange(3)
            makers["dependentRequired"] = lambda: {r.choice(NAMES): r.sample(NAMES, 1)}
            makers["dependentSchemas"] = lambda: {r.choice(NAMES): self.schema(depth + 1)}
        else:
            makers["dependencies"] = lambda: {r.choice(NAMES): r.choice([r.sample(NAMES, 1), self.schema(depth + 1)])}
        if self.draft == "draft2020-12":
            makers["prefixItems"] = lambda: self.schemas(depth + 1)
            # In 2019-09 jsonschema does not count what additionalProperties has looked at, and counts what contains has.
            makers["unevaluatedItems"] = lambda: self.schema(depth + 1)
            makers["unevaluatedProperties"] = lambda: self.schema(depth + 1)
        chosen = r.sample(sorted(makers), r.randrange(1, 5))
        return {keyword: makers[keyword]() for keyword in chosen}


def make(folder, count, seed):
    import jsonschema

    for draft, name in DRAFTS.items():
        maker = Maker(draft, f"{seed} {draft}")
        validator = getattr(jsonschema, name)
        cases = []
        while len(cases) < count:
            # References do not go in circles: jsonschema ends those by running out of its stack.
            definitions = {}
            for maker.targets, name in [("", "x"), ("x", "y")]:
                definitions[name] = maker.schema(2)
            maker.targets = "xy"
            schema = maker.schema()
            if not isinstance(schema, dict):
                continue
            schema["definitions"] = definitions
            tests = []
            try:
                judge = validator(schema)
                for number in range(10):
                    value = maker.value()
                    tests.append({"description": str(number), "data": value, "valid": judge.is_valid(value)})
            except TypeError:
                continue  # additionalItems beside `items: false` has no verdict
            cases.append({"description": f"{len(cases)} {json.dumps(schema, ensure_ascii=False)}", "schema": schema,
                          "tests": tests})
        target = folder / "tests" / draft
        target.mkdir(parents=True, exist_ok=True)
        (target / "random.json").write_text(json.dumps(cases, ensure_ascii=False))
    (folder / "remotes").mkdir(exist_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--random", type=int, default=0, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=1, metavar="NUMBER")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.random:
        make(options.folder, options.random, options.seed)
    else:
        fetch(options.folder)


if __name__ == "__main__":
    main()
