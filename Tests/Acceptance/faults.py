"""A disk that fails on demand, power cuts, and a wall clock that steps: disk/*.c under the real program."""

import os
import struct
import subprocess
from collections import defaultdict
from pathlib import Path

from process import Broker


def preload(folder, name):
    """disk/NAME.c as a library for LD_PRELOAD."""
    library, source = Path(folder) / f"{name}.so", Path(__file__).parent / f"disk/{name}.c"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-Wno-unused-result"]
    subprocess.run(["gcc", *flags, "-o", str(library), str(source), "-ldl"], check=True)
    return library


class SteppedBroker(Broker):
    """A broker whose wall clock the test moves, see disk/clock.c; the files for that lie in `workshop`."""

    START_SECONDS_MAX = 120

    def __init__(self, folder, properties=None, workshop=None, **options):
        super().__init__(folder, properties, **options)
        workshop = Path(workshop or folder)
        workshop.mkdir(parents=True, exist_ok=True)
        self.clock, self.library = workshop / "clock", preload(workshop, "clock")
        self.step(0)

    def step(self, seconds):
        """From now on the wall clock is this far ahead of the machine's."""
        with open(self.clock, "r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("q", int(seconds * 1e9)))

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(self.library), "CLOCK_FILE": str(self.clock)}


class FaultyBroker(Broker):
    """A broker whose disk calls go through disk/faults.c."""

    def __init__(self, folder, properties=None, **options):
        super().__init__(folder, properties, **options)
        self.control = self.folder / "control"
        self.journal = self.folder / "journal"
        self.library = preload(self.folder, "faults")
        self.sizes = {}

    def start(self):
        if not self.journal.exists():  # what is there now has survived
            self.sizes = {str(path): path.stat().st_size for path in self.data.glob("**/*") if path.is_file()}
        return super().start()

    def environment(self):
        return {
            **os.environ, "LD_PRELOAD": str(self.library), "FAULTS_DATA": str(self.data),
            "FAULTS_CONTROL": str(self.control), "FAULTS_JOURNAL": str(self.journal),
        }  # fmt: skip

    def inflict(self, fault):
        """Switches a fault on, see faults.c; None switches all off."""
        if fault is None:
            self.control.unlink(missing_ok=True)
        else:
            (self.folder / "control.new").write_text(fault)
            (self.folder / "control.new").rename(self.control)

    def cut_power(self, generator):
        """kill -9 (unless it was stopped), then takes away what the kernel was not told to keep.

        Of each log, bytes after the last finished sync are cut off, zeroed or garbled; files and folders whose folder
        was not synced since they were made may vanish.

        Returns what was done, for the message of a failure. Renames and small state files are left as they are: what
        they held at the kill is one of the outcomes of a power cut.
        """
        if self.alive:
            self.kill()
        done = []
        ends, created = self.unsynced()
        for path, durable in sorted(ends.items()):
            file = Path(path)
            if not file.exists() or file.suffix != ".log":
                continue
            size = file.stat().st_size
            if size <= durable:
                continue
            with open(file, "r+b") as log:
                match generator.randrange(4):
                    case 0:
                        log.truncate(durable)
                    case 1:
                        log.truncate(generator.randrange(durable, size + 1))
                    case 2:  # the file grew, the pages never came
                        log.seek(durable)
                        log.write(bytes(size - durable))
                    case 3:
                        at = generator.randrange(durable, size)
                        log.seek(at)
                        log.write(generator.randbytes(min(size - at, 4_096)))
            done.append(f"{file.parent.name}/{file.name}: {size} bytes, durable {durable}, now {file.stat().st_size}")
        for path in sorted(created, key=len, reverse=True):
            file = Path(path)
            if not file.exists() or generator.random() < 0.3:
                continue
            if file.is_dir():
                if any(file.iterdir()):
                    continue  # its files were kept, so it is too
                file.rmdir()
            elif file.name not in ("lock",):
                file.unlink()
            done.append(f"{file.parent.name}/{file.name}: vanished")
        self.journal.unlink()
        return done

    def unsynced(self):
        """({log file: bytes surely durable}, {created paths that no folder sync covered}) by the journal."""
        written, durable, began = defaultdict(int, self.sizes), defaultdict(int, self.sizes), {}
        created = set()
        for line in self.journal.read_text().splitlines():
            kind, rest = line.split(" ", 1)
            if kind == "C":
                created.add(rest)
                written[rest] = durable[rest] = 0
            elif kind == "T":
                path, size = rest.rsplit(" ", 1)
                written[path], durable[path] = int(size), min(durable[path], int(size))
            elif kind == "W":
                path, offset, count = rest.rsplit(" ", 2)
                written[path] = max(written[path], int(offset) + int(count))
            elif kind == "B":
                number, path = rest.split(" ", 1)
                # A sync covers what was written, a folder's sync what was created, before it began.
                if path == "*":
                    began[number] = dict(written), set(created)
                else:
                    began[number] = {path: written[path]}, {c for c in created if os.path.dirname(c) == path}
            elif kind == "E":
                sizes, names = began.pop(rest.split(" ", 1)[0])
                for path, size in sizes.items():
                    durable[path] = max(durable[path], size)
                created -= names
        logs = {path: durable[path] for path in written if written[path] > durable[path]}
        return logs, created
