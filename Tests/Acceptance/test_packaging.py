"""`./dev install` and `./dev package`: what they put where, and that it works from there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from process import binary

ROOT = Path(__file__).resolve().parents[2]
UNIT = "usr/lib/systemd/system/swiftwater.service"


def run(*command, **environment):
    return subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, timeout=110, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    done = run(ROOT / "Scripts/install.sh", binary(), "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    assert f"installed {prefix}/bin/swiftwater" in done.stdout
    return prefix


def test_the_installed_program_runs_and_is_stripped(installed):
    program = installed / "bin/swiftwater"
    assert run(program, "--version").stdout == run(binary(), "--version").stdout
    assert program.stat().st_size < Path(binary()).stat().st_size
    assert (installed / "share/doc/swiftwater/LICENSE").exists()


def test_a_prefix_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    done = run(ROOT / "Scripts/install.sh", binary(), "--prefix", tmp_path / "file", STRIP="none")
    assert done.returncode == 1 and "name another folder with --prefix" in done.stderr
    assert run(ROOT / "Scripts/install.sh", tmp_path / "nothing").returncode == 1


@pytest.mark.parametrize(
    "shell, file",
    [
        ("bash", "bash-completion/completions/swiftwater"),
        ("zsh", "zsh/site-functions/_swiftwater"),
        ("fish", "fish/vendor_completions.d/swiftwater.fish"),
    ],
)
def test_shells_take_the_completions(installed, shell, file):
    script = installed / "share" / file
    assert "swiftwater" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = run(shell, "-n", script)
    assert done.returncode == 0, done.stderr


def test_the_manual_page_reads_without_warnings(installed):
    page = installed / "share/man/man1/swiftwater.1.gz"
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("there is no man")
    done = run("man", "--warnings", "-l", page, LC_ALL="C.UTF-8", MANWIDTH="100", MANPAGER="cat", PAGER="cat")
    assert done.returncode == 0 and done.stderr == ""
    text = re.sub(r".\x08", "", done.stdout)
    for words in ("NAME", "swiftwater topic create NAME", "--partitions", "SWIFTWATER_BOOTSTRAP", "EXIT STATUS"):
        assert words in text


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "ldd"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    if "libswiftCore" in run("ldd", binary()).stdout:
        pytest.skip("a debug build needs Swift's runtime, which is in no Debian package")
    folder = tmp_path_factory.mktemp("package")
    done = run(ROOT / "Scripts/package.sh", binary(), "--output", folder, DPKG_DEB_COMPRESSOR_TYPE="none")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_the_package_depends_on_the_libraries_of_the_program(package):
    fields = run("dpkg-deb", "--field", package).stdout
    depends = re.search(r"^Depends: (.*)$", fields, re.MULTILINE)[1]
    for library in ("libc6", "librdkafka1", "libzstd1", "zlib1g", "libpcre2-8-0", "libmariadb3", "libpq5", "adduser"):
        assert re.search(rf"\b{re.escape(library)}\b", depends), depends
    assert re.search(r"^Version: \d+\.\d+\.\d+-1$", fields, re.MULTILINE)
    assert run("dpkg-deb", "--ctrl-tarfile", package).returncode == 0


def test_the_package_holds_program_service_settings_and_papers(package, tmp_path):
    run("dpkg-deb", "--raw-extract", package, tmp_path)
    for path in (
        "usr/bin/swiftwater", UNIT, "etc/swiftwater/swiftwater.properties", "usr/share/man/man1/swiftwater.1.gz",
        "usr/share/bash-completion/completions/swiftwater", "usr/share/zsh/vendor-completions/_swiftwater",
        "usr/share/fish/vendor_completions.d/swiftwater.fish", "usr/share/doc/swiftwater/copyright",
    ):
        assert (tmp_path / path).exists(), path
    assert (tmp_path / "DEBIAN/conffiles").read_text() == "/etc/swiftwater/swiftwater.properties\n"
    listed = run("dpkg-deb", "--contents", package).stdout
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())
    # The settings of the service are ones that the program takes.
    settings = tmp_path / "etc/swiftwater/swiftwater.properties"
    shown = run(tmp_path / "usr/bin/swiftwater", "config", "show", "--config", settings)
    assert shown.returncode == 0 and "/var/lib/swiftwater" in shown.stdout, shown.stderr


def test_every_commented_setting_is_known(tmp_path):
    text = (ROOT / "Packaging/debian/swiftwater.properties").read_text()
    everything = tmp_path / "everything.properties"
    everything.write_text(re.sub(r"^#(\S+=)", r"\1", text, flags=re.MULTILINE))
    assert everything.read_text() != text
    done = run(binary(), "config", "show", "--config", everything)
    assert done.returncode == 0, done.stderr


def test_systemd_takes_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd")
    unit = tmp_path / "swiftwater.service"
    text = (ROOT / "Packaging/debian/swiftwater.service").read_text()
    unit.write_text(text.replace("/usr/bin/swiftwater", binary()))
    done = run("systemd-analyze", "verify", "--man=no", unit)
    assert done.returncode == 0 and done.stderr == "", done.stderr
