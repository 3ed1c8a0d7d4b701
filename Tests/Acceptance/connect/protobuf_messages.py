"""Classes of messages from the text of a schema, as protoc makes them."""

import importlib
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc


def message_class(text):
    """The class of the first message of a `.proto` text."""
    folder = Path(tempfile.mkdtemp(prefix="swiftwater-proto-"))
    name = f"schema_{abs(hash(text))}"
    (folder / f"{name}.proto").write_text(text)
    assert protoc.main(["protoc", f"-I{folder}", f"--python_out={folder}", f"{name}.proto"]) == 0, text
    sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module(f"{name}_pb2")
    finally:
        sys.path.remove(str(folder))
    first = next(iter(module.DESCRIPTOR.message_types_by_name))
    return getattr(module, first)
