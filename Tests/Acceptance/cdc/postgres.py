"""A PostgreSQL server for tests, from Debian's postgresql."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from database import held, until
from process import free_port

PASSWORD = "secret"


class PostgreSQL:
    def __init__(self, *options):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
        if not found:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        self.bin, self.port, self.options = found[-1], free_port(), list(options)
        # The server's own user has to get there, which it does not under pytest's folders.
        self.folder = Path(f"/tmp/cdc-{os.getpid()}-{self.port}")
        self.folder.mkdir(mode=0o755)
        self.user = []
        if os.getuid() == 0:
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
            shutil.chown(self.folder, "postgres")
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [*self.user, self.bin / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "scram-sha-256",
             f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/")

    def start(self, *options):
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [*self.user, self.bin / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-c",
             "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "timezone=UTC", "-c",
             "wal_level=logical", "-c", "max_replication_slots=20", "-c", "max_wal_senders=20", "-c",
             "shared_buffers=32MB", *self.options, *options], stdout=log, stderr=log, cwd="/")
        until(lambda: self.run("SELECT 1", database="postgres").returncode == 0, what="the database's answer")
        if self.value("SELECT count(*) FROM pg_database WHERE datname = 'demo'", database="postgres") == "0":
            self.sql("CREATE DATABASE demo", database="postgres")
        return self

    def client(self, database, user):
        return [self.bin / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-qAtX", "-v", "ON_ERROR_STOP=1",
                "-d", database]

    def run(self, text, database="demo", user="postgres"):
        return subprocess.run(
            self.client(database, user), input=text.encode(), capture_output=True,
            env={**os.environ, "PGPASSWORD": PASSWORD}, cwd="/")

    def locked(self, table):
        """While it lasts nobody reads the table."""
        return held(self.client("demo", "postgres"), f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT 1;\n",
                    env={**os.environ, "PGPASSWORD": PASSWORD}, cwd="/")

    def sql(self, text, **options):
        done = self.run(text, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done

    def value(self, text, **options):
        return self.sql(text, **options).stdout.decode().strip()

    def connector(self, folder):
        """What a connector to it is configured with."""
        return {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": "127.0.0.1", "database.port": self.port, "database.user": "postgres",
            "database.password": PASSWORD, "database.dbname": "demo", "topic.prefix": "pgsrv", "plugin.name": "pgoutput",
            "slot.name": "golden", "publication.name": "golden_pub", "schema.include.list": "inv",
            "slot.retry.delay.ms": 200,
        }

    def renew(self):
        """An empty database, as it was at first."""
        until(lambda: self.value("SELECT count(*) FROM pg_replication_slots WHERE active") == "0",
              what="the end of the slots' readers")
        self.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        self.sql("DROP DATABASE demo WITH (FORCE)", database="postgres")
        self.sql("CREATE DATABASE demo", database="postgres")

    def kill(self):
        """As when the machine's power goes."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
