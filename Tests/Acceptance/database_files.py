"""The files of a new MariaDB server, from Debian's mariadb-server-core."""

import os
import subprocess
from pathlib import Path


def temporary(folder):
    """The option for a folder of temporary files of the server's own. A server that starts deletes the temporary tables
    that it finds in there, also those of another server that runs."""
    (Path(folder) / "temporary").mkdir(exist_ok=True)
    return f"--tmpdir={folder}/temporary"


def make(folder):
    """Makes the folder `data` in the folder, also on a machine whose own name has no address."""
    user = ["--user=root"] if os.getuid() == 0 else []
    done = subprocess.run(
        ["mariadb-install-db", "--no-defaults", "--force", *user, f"--datadir={folder}/data", temporary(folder),
         "--skip-test-db", "--auth-root-authentication-method=normal"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")  # fmt: skip
    assert done.returncode == 0, done.stdout
