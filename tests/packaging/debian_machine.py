"""A fresh Debian 12 in a folder, booted with systemd as its process 1, for what cannot be tried without one.

The system is laid down once (debootstrap, and what the caller wants prepared while there is still a network) and kept
in the temporary folder that survives restarts. Every boot is a container on top of it that forgets everything.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
KEPT_IN = Path("/var/tmp/backfilld-tests-debian")  # noqa: S108  # root's own, closed to others
ALWAYS = ("systemd", "systemd-sysv", "dbus")  # what every VM has, and a minimal root has not
CGROUPS = tuple(Path("/sys/fs/cgroup") / name for name in ("systemd", "unified"))
BOOT_SECONDS = 900
RUNNER = """\
[Unit]
Description=runs what the test wants
After=basic.target postgresql.service
SuccessAction=exit
FailureAction=exit

[Service]
Type=simple
Environment=HOME=/root LANG=C.UTF-8 PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_DISABLE_PIP_VERSION_CHECK=1
WorkingDirectory=/root
ExecStart=/bin/bash -x /outside/run.sh
StandardOutput=append:/outside/output
StandardError=inherit

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Ran:
    """How a script inside ended, and everything that it printed."""

    code: int
    output: str


class DebianMachine:
    """One prepared system. `run` boots it anew each time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, script: str, outside: Path) -> Ran:
        """Boot, run `script` by bash as root, power off. `outside` is /outside in there, the network is not there."""
        (outside / "run.sh").write_text(script)
        command = [
            "systemd-nspawn", "--quiet", "--boot", "--console=pipe", "--volatile=overlay", "--private-network",
            f"--directory={self.root}", f"--machine=backfilld-test-{os.getpid()}", f"--bind={outside}:/outside",
            *(() if Path("/run/systemd/system").exists() else ("--keep-unit", "--register=no")),
        ]  # fmt: skip
        with _cgroup() as joining:
            boot = subprocess.run(
                [*joining, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=BOOT_SECONDS, check=False,
            )  # fmt: skip
        output = outside / "output"
        return Ran(boot.returncode, output.read_text() if output.exists() else f"it did not boot:\n{boot.stdout}")


def prepared(script: str, files: Sequence[Path]) -> DebianMachine:
    """A system in which `script` was run once, with the network and `files` in /root. Made if it is not there yet."""
    words = hashlib.sha256(repr((ALWAYS, RUNNER, script)).encode())
    for file in files:
        words.update(file.read_bytes())
    root = KEPT_IN / words.hexdigest()[:16]
    KEPT_IN.mkdir(mode=0o700, exist_ok=True)
    with (KEPT_IN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            for old in KEPT_IN.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            _make(root.with_name("new"), script, files)
            root.with_name("new").rename(root)
    return DebianMachine(root)


def _make(root: Path, script: str, files: Sequence[Path]) -> None:
    _lay(root)
    (root / "etc/apt/apt.conf.d/90retries").write_text('Acquire::Retries "3";\n')
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")  # behind a proxy, that of the proxy is among them
    trust = ()
    if authorities.exists():
        shutil.copy(authorities, root / "root/authorities.crt")
        trust = ("PIP_CERT=/root/authorities.crt",)
    for file in files:
        shutil.copy(file, root / "root")
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # start nothing on the machine outside
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    (root / "etc/systemd/system/runner.service").write_text(RUNNER)
    environment = ("HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *trust)
    quiet = "DEBIAN_FRONTEND=noninteractive"
    _do("chroot", str(root), "env", "-i", *environment, quiet, "bash", "-exc", script + "\nsystemctl enable runner")
    (root / "usr/sbin/policy-rc.d").unlink()


def _lay(root: Path) -> None:
    """A mirror may fail for a moment, and debootstrap does not go on where it was."""
    command = ("debootstrap", "--variant=minbase", f"--include=ca-certificates,{','.join(ALWAYS)}", SUITE, str(root))
    for _ in range(2):
        with suppress(AssertionError):
            _do(*command)
            return
        shutil.rmtree(root, ignore_errors=True)
    _do(*command)


def _do(*command: str) -> None:
    """AssertionError with the last words of `command` if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    assert 0 == done.returncode, done.stdout[-4000:]


@contextmanager
def _cgroup() -> Iterator[list[str]]:
    """What makes a command join a control group of its own; two containers in one would fight. Removed at the end."""
    folders = []
    if not Path("/run/systemd/system").exists():  # else systemd-nspawn asks systemd for one
        folders = [parent / f"backfilld-test-{os.getpid()}" for parent in CGROUPS if parent.is_dir()]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    join = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in folders)
    try:
        yield ["/bin/sh", "-ec", f'{join}exec "$@"', "sh"]
    finally:
        for top in folders:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
