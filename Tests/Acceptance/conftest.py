"""Fixtures: a shared broker for cheap tests, private ones for tests that break things, one JVM for all Java clients.

BOOTSTRAP=HOST:PORT points the tests that use the shared broker at any Kafka cluster instead; tests that need the
process itself are skipped then.
"""

import os
import shutil
import signal
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clients import PYTHON_CLIENTS, JavaClient, create_topic  # noqa: E402
from jvm import Java  # noqa: E402
from process import Broker, binary  # noqa: E402

EXTERNAL = os.environ.get("BOOTSTRAP")


# Files that are not to run beside each other: many members of groups at once, and the ports that the documentation names.
TOGETHER = {
    "test_groups.py": "members", "test_consumer_protocol.py": "members", "test_docs.py": "ports", "test_demo.py": "ports",
}  # fmt: skip

# Files that take long begin first, so that no process is left with one of them when the others have ended.
LONG = [
    "test_groups.py", "test_consumer_protocol.py", "test_soak.py", "sql/test_conformance.py", "console/test_console_pages.py",
    "test_transactions.py", "test_demo.py", "test_docs.py", "cdc/test_capture.py", "sql/test_nodes.py", "connectors/test_hdfs.py",
    "test_durability.py", "test_compaction.py", "connectors/test_snowflake.py", "connectors/test_bigquery.py",
    "test_connect.py", "connectors/test_jdbc_source.py",
]  # fmt: skip
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items):
    place = {FOLDER / name: index for index, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(LONG)))  # each file's tests stay in their order


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each file's tests run in their order, in one of the processes: servers that a file starts are started once.

    `--dist loadgroup` with marks for this purpose does nothing with pytest 9.2: it names tests in a way that pytest no longer reads.
    """
    from xdist.scheduler import LoadScopeScheduling

    class FileScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::", 1)[0]
            return TOGETHER.get(file.rsplit("/", 1)[-1], file)

    config.option.loadscopereorder = False  # files with the most tests are not those that take longest
    return FileScheduling(config, log)


def pytest_sessionstart(session):
    # The programs under test inherit what is ignored, which those that nohup or a shell's background started would be.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for tool in ("kcat", "java", "javac", "gcc"):
        if shutil.which(tool) is None:
            pytest.exit(f"{tool} is missing: run ./dev install-deps", returncode=1)


@pytest.fixture(autouse=True)
def deadline(request):
    """A test that hangs fails after two minutes, or after what `@pytest.mark.deadline(seconds)` allows."""
    mark = request.node.get_closest_marker("deadline")
    seconds = mark.args[0] if mark else 120

    def expire(*_):
        raise TimeoutError(f"the test did not end within {seconds} s")

    signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory):
    """The process behind `bootstrap`; small limits where a default would make tests slow."""
    if EXTERNAL:
        pytest.skip("BOOTSTRAP names an external cluster: there is no process of ours")
    broker = Broker(tmp_path_factory.mktemp("shared")).start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def bootstrap(request):
    """Address of the shared broker. Each test uses topics of its own, see `topic`."""
    return EXTERNAL or request.getfixturevalue("shared_broker").address


@pytest.fixture
def broker(tmp_path):
    """A private broker, started. Stopped cleanly at the end unless the test ended it."""
    if EXTERNAL:
        pytest.skip("BOOTSTRAP names an external cluster: there is no process of ours")
    broker = Broker(tmp_path).start()
    yield broker
    if broker.alive:
        broker.stop()


@pytest.fixture
def make_broker(tmp_path):
    """Makes private brokers with properties of their own: `make_broker({"num.partitions": 3})`, started."""
    if EXTERNAL:
        pytest.skip("BOOTSTRAP names an external cluster: there is no process of ours")
    made = []

    def make(properties=None, folder=None, start=True, **options):
        broker = Broker(folder or tmp_path / f"broker{len(made)}", properties, **options)
        broker.folder.mkdir(exist_ok=True)
        made.append(broker)
        return broker.start() if start else broker

    yield make
    for broker in made:
        if broker.alive:
            broker.kill()


@pytest.fixture(scope="session")
def java(tmp_path_factory):
    """One JVM with kafka-clients that answers requests, see jvm.py."""
    with Java(tmp_path_factory.mktemp("java")) as driver:
        yield driver


@pytest.fixture(scope="session")
def client_of(java):
    """A client of clients.py by name."""
    return lambda name: JavaClient(java) if name == "java" else PYTHON_CLIENTS[name]


@pytest.fixture
def fresh():
    """Makes topic names that no other test uses."""
    return lambda prefix="t": f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def topic(bootstrap, fresh):
    """A new topic with one partition on the shared broker."""
    return create_topic(bootstrap, fresh())


@pytest.fixture(scope="session")
def program():
    return binary()
