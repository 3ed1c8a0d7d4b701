"""A MariaDB server for tests, from Debian's mariadb-server, and the driver that runs a connector's task on it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import database_files
from process import free_port

ROOT = Path(__file__).resolve().parents[3]


def until(condition, seconds=60, what="the condition"):
    """Polls until the condition holds and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.05)


def driver():
    """The program ChangeEvents: CHANGE_EVENTS names it, otherwise it is looked for among the builds."""
    given = os.environ.get("CHANGE_EVENTS")
    candidates = [Path(given)] if given else sorted(ROOT.glob(".build*/*/ChangeEvents")) + sorted(
        ROOT.glob(".build*/ChangeEvents"))
    found = [path for path in candidates if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime) if found else None


@contextlib.contextmanager
def held(client, text, **options):
    """A database's client that has executed the text, whose last statement answers with a line, and then waits."""
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options) as process:
        process.stdin.write(text.encode())
        process.stdin.flush()
        assert process.stdout.readline().strip() == b"1"
        try:
            yield
        finally:
            process.stdin.close()


class MariaDB:
    def __init__(self, folder, options=()):
        self.folder = Path(folder)
        self.port = free_port()
        self.options = list(options)
        self.process = None
        # Paths of sockets are short.
        self.socket = f"/tmp/cdc-{os.getpid()}-{self.port}.sock"
        user = ["--user=root"] if os.getuid() == 0 else []
        self.user = user
        self.client = ["mariadb", "--no-defaults", "-N", "-u", "root", "-S", self.socket, "--default-character-set=utf8mb4"]
        database_files.make(self.folder)

    def start(self, *options):
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [program, "--no-defaults", *self.user, f"--datadir={self.folder}/data", f"--socket={self.socket}",
             f"--pid-file={self.folder}/pid", database_files.temporary(self.folder), "--bind-address=127.0.0.1", f"--port={self.port}", "--server-id=223344",
             "--log-bin=mysql-bin", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
             "--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
             "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2", "--default-time-zone=+00:00",
             *self.options, *options],
            stdout=log, stderr=log)
        until(lambda: self.sql("SELECT 1", check=False).returncode == 0, what="the database's answer")
        self.sql(
            "CREATE USER IF NOT EXISTS 'dbz'@'%' IDENTIFIED BY 'dbz'; GRANT ALL ON *.* TO 'dbz'@'%';")
        return self

    def connector(self, folder):
        """What a connector to it is configured with."""
        return {
            "connector.class": "io.debezium.connector.mysql.MySqlConnector",
            "database.hostname": "127.0.0.1", "database.port": self.port, "database.user": "dbz",
            "database.password": "dbz", "database.server.id": 5401, "database.ssl.mode": "disabled",
            "topic.prefix": "dbserver1", "database.include.list": "demo",
            "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
            "schema.history.internal.file.filename": folder / "history.jsonl",
        }

    def sql(self, text, check=True):
        return subprocess.run(
            self.client, input=text.encode(), check=check, capture_output=True)

    def value(self, text):
        return self.sql(text).stdout.decode().strip()

    def locked(self, table):
        """While it lasts nobody reads the table."""
        return held([*self.client, "-n"], f"LOCK TABLES {table} WRITE; SELECT 1;\n")

    def end_readers(self):
        """Ends what still reads the log for a client that is gone, and keeps its files."""
        def gone():
            threads = self.value("SELECT id FROM information_schema.processlist WHERE command='Binlog Dump'").split()
            for thread in threads:
                self.sql(f"KILL {thread}", check=False)
            return not threads
        until(gone, what="the end of the log's readers")

    def purge(self):
        """Deletes all files of the log but the present one. MariaDB keeps a file, and says nothing, while its storage
        engine may still need it after a crash: that passes within moments."""
        current = self.value("SHOW MASTER STATUS").split()[0]

        def is_gone():
            self.sql(f"PURGE BINARY LOGS TO '{current}'")
            return self.value("SHOW BINARY LOGS").split()[0] == current
        until(is_gone, what="the end of the log's old files")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


class CutWire:
    """A port of the database's that passes bytes on until it is cut; while it is, connections end at once."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = []
        self.is_cut = False
        self.left = None

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def cut_after(self, byte_count):
        """Cuts when the database has sent as much more, wherever in an event that is."""
        with self.lock:
            self.left = byte_count

    def cut(self):
        with self.lock:
            self.is_cut, self.left = True, None
            for end in (end for pair in self.pairs for end in pair):
                self._end(end)
            self.pairs = []

    def mend(self):
        with self.lock:
            self.is_cut = False

    @staticmethod
    def _end(end):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.is_cut:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    client.close()
                    continue
                self.pairs.append((client, server))
            for source, target, counts in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, target, counts), daemon=True).start()

    def _pass(self, source, target, counts):
        try:
            while data := source.recv(65536):
                if counts:
                    with self.lock:
                        ends = self.left is not None and len(data) >= self.left
                        if ends:
                            data = data[:self.left]
                        elif self.left is not None:
                            self.left -= len(data)
                    target.sendall(data)
                    if ends:
                        self.cut()
                        return
                else:
                    target.sendall(data)
        except OSError:
            pass  # cut
        for end in (source, target):
            self._end(end)


class Connector:
    """One connector's configuration, offsets and schema history, run by the driver."""

    def __init__(self, folder, database, **options):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.offsets = self.folder / "offsets.json"
        self.properties = {**database.connector(self.folder), "retriable.restart.connector.wait.ms": 200, "poll.interval.ms": 50}
        self.properties.update({name.replace("__", "."): value for name, value in options.items()})
        self.runs = 0
        self.process = None

    def set(self, options):
        self.properties.update(options)
        return self

    def start(self, *arguments, quiet=False):
        config = self.folder / "connector.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in self.properties.items()))
        self.runs += 1
        self.output = self.folder / f"events-{self.runs}.jsonl"
        self.log = self.folder / f"log-{self.runs}.txt"
        self.printed, self.end = [], 0
        with open(self.output, "wb") as output, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [driver(), config, "--offsets", self.offsets, *map(str, arguments)], stdout=output, stderr=log)
        return self

    def events(self):
        """What this run has printed so far; each line is read once."""
        with open(self.output, "rb") as output:
            output.seek(self.end)
            whole, separator, _ = output.read().rpartition(b"\n")
        self.end += len(whole) + len(separator)
        self.printed += (json.loads(line) for line in whole.split(b"\n") if line)
        return list(self.printed)

    def wait(self, seconds=90):
        code = self.process.wait(seconds)
        return code

    def wait_for(self, condition, seconds=60):
        """Until the events printed so far satisfy the condition."""
        def look():
            assert self.process.poll() is None or condition(self.events()), self.log.read_text()
            return condition(self.events())
        until(look, seconds, "the event")
        return self.events()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def payload(event, part="value"):
    value = event[part]
    return value["payload"] if value else None


def rows(events, table):
    """Operation and new row of a table's events, tombstones left out."""
    found = []
    for event in events:
        value = payload(event)
        if event["topic"].endswith("." + table) and value and "op" in value:
            found.append((value["op"], value["after"] or value["before"]))
    return found
