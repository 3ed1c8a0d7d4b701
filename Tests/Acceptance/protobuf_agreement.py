"""Compares Swiftwater's Protocol Buffers with Google's: descriptors, bytes and JSON of random messages.

    PROTOBUF_CASES=cases.jsonl swift test --filter RandomProtoTests
    python protobuf_agreement.py cases.jsonl answers.jsonl      (pip: protobuf, and grpcio-tools for the texts)
    PROTOBUF_ANSWERS=answers.jsonl swift test --filter RandomProtoTests

The first line writes the cases, the second checks them and writes what Google's code makes of the same messages, the third
checks that. Prints counts; the exit code is 1 when anything differs.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2  # noqa: F401


def pool_of(case):
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(case["descriptor"]))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool, file


def message_faults(case, message_class):
    """What Google's code sees differently in the case's bytes and JSON, and its own JSON and bytes."""
    data = base64.b64decode(case["bytes"])
    message = message_class.FromString(data)
    faults = []
    if message.SerializeToString() and message_class.FromString(message.SerializeToString()) != message:
        faults.append("bytes do not read back")
    ours = message_class()
    json_format.ParseDict(case["json"], ours)
    if ours != message:
        faults.append("our JSON is another message")
    theirs = json_format.MessageToDict(message)
    if theirs != case["json"]:
        faults.append(f"JSON differs: {theirs} != {case['json']}")
    if message.ByteSize() != len(data):
        faults.append(f"{message.ByteSize()} bytes instead of {len(data)}")
    return faults, message, theirs


def compiled(text):
    """The descriptor that protoc makes of a text; None when there is no protoc."""
    try:
        import grpc_tools.protoc as protoc
    except ImportError:
        return None
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "case.proto").write_text(text)
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"-I{include}", f"-o{folder}/out", "case.proto"],
            check=True, capture_output=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(folder, "out").read_bytes())
        return files.file[0]


def plain(file):
    """Without names of the file and in an order of its own: entries of maps stand elsewhere in protoc's."""
    file.name = ""

    def sort(message):
        for inner in message.nested_type:
            sort(inner)
        message.nested_type.sort(key=lambda inner: inner.name)
        for field in message.field:
            field.ClearField("json_name")

    for message in file.message_type:
        sort(message)
    return file


def main(cases, answers):
    counts = {"messages": 0, "texts": 0, "faults": 0}
    seen = set()
    with open(cases) as lines, open(answers, "w") as output:
        for line in lines:
            case = json.loads(line)
            pool, file = pool_of(case)
            message_class = message_factory.GetMessageClass(pool.FindMessageTypeByName(case["message"]))
            faults, message, theirs = message_faults(case, message_class)
            counts["messages"] += 1
            if case["seed"] not in seen:
                seen.add(case["seed"])
                reference = compiled(case["text"]) if len(seen) <= 60 else None
                if reference is not None:
                    counts["texts"] += 1
                    if plain(reference) != plain(file):
                        faults.append(f"protoc's descriptor differs:\n{reference}\n{file}")
            for fault in faults:
                counts["faults"] += 1
                print(f"seed {case['seed']} {case['message']}: {fault}")
            output.write(json.dumps({
                "seed": case["seed"], "descriptor": case["descriptor"], "message": case["message"], "json": theirs,
                "bytes": base64.b64encode(message.SerializeToString()).decode()}) + "\n")
    print(counts)
    return 1 if counts["faults"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
