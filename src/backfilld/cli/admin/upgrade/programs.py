"""Other programs, asked one after the other: each ends well, or everything stops with its last words."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

from backfilld.cli.output.error_output import Failure

LAST_WORDS = 1_500


def run(
    command: Sequence[str], *, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None, **environment: str
) -> str:
    """What `command` printed (nothing, if `stdout` is given). Failure with its words if it fails, or is not there."""
    try:
        done = subprocess.run(
            command,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",  # other users may not enter the present one
            env=_environment(environment),
            check=False,
        )
    except OSError as problem:
        raise Failure(f"{command[0]} cannot be run: {problem.strerror}") from problem
    if done.returncode:
        words = (done.stderr or b"").decode(errors="replace").strip() or (done.stdout or b"").decode(errors="replace")
        raise Failure(f"`{' '.join(command)}` ended with code {done.returncode}: {words.strip()[-LAST_WORDS:]}")
    return (done.stdout or b"").decode(errors="replace")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours without what would send PostgreSQL's programs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C", **more}
