"""The folder in which a demo lives: its settings, its secret, its database, and what tells that it still runs."""

import os
import secrets
import tempfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backfilld.cli.output import exit_codes
from backfilld.cli.output.error_output import Failure

WORKFLOW = "classify-ticket"
WORKFLOW_TYPE, TASK_QUEUE = "ClassifyTicket", "classify"  # of the demo on Temporal
PROC = Path("/proc")
NOWHERE = "http://127.0.0.1:9"  # where nobody listens

CONFIG = """\
# The demo's daemon. Written anew by each demo.
[server]
port = 0

[state]
directory = {directory}

[database]
mode = "embedded"

[engine]
shutdown_grace_seconds = 10.0

[secrets.demo]
file = {secret}

[entity_types.ticket.fields]
created_at = "date"
closed_at = "date"
priority = "integer"

{work}"""

WORK = """\
[[workflows]]
name = "{workflow}"
credits_per_entity = 0.01
timeout_seconds = {seconds}

[workflows.executor]
"""

OVER_HTTP = """\
type = "http"
url = "{target}/classify"
secret = "demo"
"""

ON_TEMPORAL = """\
type = "temporal"
engine = "demo"
task_queue = "{queue}"
workflow_type = "{type}"

[engines.demo]
type = "temporal"
address = "{address}"
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies where in the demo's state directory."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "demo.toml"

    @property
    def secret(self) -> Path:
        return self.root / "signing-secret"

    @property
    def target_address(self) -> Path:
        return self.root / "target-address"

    @property
    def daemon_address(self) -> Path:
        """Written by the daemon as soon as it serves."""
        return self.root / "address"

    @property
    def daemon_pid(self) -> Path:
        return self.root / "daemon-pid"

    @property
    def has_database(self) -> bool:
        """Whether an earlier demo has left one."""
        return (self.root / "postgres" / "pg").exists()

    def prepare(self) -> None:
        """Make the folder and the secret; Failure if the daemon of an earlier demo still runs in it."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (pid := self._running()) is not None:
            raise Failure(
                f"the daemon of an earlier demo is still running; stop it with: kill {pid}",
                exit_code=exit_codes.CONFLICT,
                code="demo_is_running",
            )
        for stale in (self.target_address, self.daemon_address, self.daemon_pid):
            stale.unlink(missing_ok=True)
        if not self.secret.exists():
            self.secret.touch(mode=0o600)
            self.secret.write_text(f"whsec_{b64encode(secrets.token_bytes(32)).decode()}\n")

    def write_config(self, target: str, more: Sequence[str] = (), away: Sequence[str] = ()) -> None:
        """Settings for a daemon whose work is done by `target`, that of `more`, too; and that of `away` by nobody."""
        work = WORK.format(workflow=WORKFLOW, seconds=10.0) + OVER_HTTP.format(target=target)
        work += "".join(
            WORK.format(workflow=name, seconds=10.0) + OVER_HTTP.format(target=where)
            for names, where in ((more, target), (away, NOWHERE))
            for name in names
        )
        self._write(work)

    def write_config_on_temporal(self, address: str) -> None:
        """Settings for a daemon whose work is done by workers of the server there."""
        work = WORK.format(workflow=WORKFLOW, seconds=60.0)
        self._write(work + ON_TEMPORAL.format(queue=TASK_QUEUE, type=WORKFLOW_TYPE, address=address))

    def _write(self, work: str) -> None:
        self.config.write_text(CONFIG.format(directory=_toml(self.root), secret=_toml(self.secret), work=work))

    def _running(self) -> int | None:
        """The process id of the daemon that runs here, told from a reused id by its command line."""
        try:
            pid = int(self.daemon_pid.read_text())
            with suppress(PermissionError):
                os.kill(pid, 0)
            command_line = (PROC / str(pid) / "cmdline").read_bytes() if PROC.joinpath("self").exists() else None
        except (OSError, ValueError):
            return None
        return pid if command_line is None or os.fsencode(self.config) in command_line else None


def default_folder(environ: Mapping[str, str]) -> Path:
    """A state directory of the demo's own; a temporary one where there is no home to keep it in."""
    base = environ.get("XDG_STATE_HOME")
    folder = (Path(base) if base and Path(base).is_absolute() else Path.home() / ".local" / "state") / "backfilld-demo"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / f"backfilld-demo-{os.getuid()}"
    return folder


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what would make the demo's daemon use somebody's real database, credentials or state."""
    kept = ("BACKFILLD_PG_BIN",)
    foreign = ("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "NOTIFY_SOCKET")
    return {
        name: value
        for name, value in environ.items()
        if name in kept or (name not in foreign and not name.startswith("BACKFILLD_"))
    }


def _toml(path: Path) -> str:
    """A path as a TOML string."""
    escaped = str(path.absolute()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
