"""Who PostgreSQL runs as, and how it learns of our death.

`setpriv` (util-linux, essential on Debian) does both: it asks the kernel for a SIGINT, PostgreSQL's fast
stop, when the daemon dies, and it lays down root, as whom PostgreSQL refuses to run. The user `nobody`
then keeps one capability, to read files in folders that are closed to it (a venv below /root, say).
"""

import os
import pwd
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backfilld.embedded.errors import EmbeddedError

_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Account:
    """A user that PostgreSQL can run as. `lowered` is true if that is not the one we run as."""

    uid: int
    gid: int
    lowered: bool


def account_for(data: Path) -> Account:
    """Ourselves; or, for root, the owner of the data directory, and `nobody` for a new one."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), lowered=False)
    with suppress(FileNotFoundError):
        found = data.stat()
        if found.st_uid != 0:
            return Account(found.st_uid, found.st_gid, lowered=True)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, lowered=True)


def launcher(account: Account, *, dies_with_us: bool) -> list[str]:
    """What stands before `postgres` or `initdb` on the command line."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if account.lowered:
            raise EmbeddedError(
                "PostgreSQL refuses to run as root, and there is no setpriv (util-linux) to lay root down:"
                " run backfilld as an ordinary user"
            )
        return []
    death = ["--pdeathsig", "INT"] if dies_with_us else []
    if not account.lowered:
        return [setpriv, *death, "--"] if death else []
    return [setpriv, *death, *_lower(account), "--"]


def _lower(account: Account) -> Iterator[str]:
    kept = _kept_capability()
    yield from ("--reuid", str(account.uid), "--regid", str(account.gid), "--clear-groups")
    yield from ("--inh-caps", kept, "--ambient-caps", kept, "--bounding-set", kept)
    yield from ("--securebits", "+no_setuid_fixup")  # else access(2) drops the capability: "invalid binary"
    yield "--no-new-privs"


def _kept_capability() -> str:
    bounding = int(re.search(r"CapBnd:\s*(\w+)", _STATUS.read_text())[1], 16)  # type: ignore[index]  # proc(5) has it
    if bounding & _DAC_READ_SEARCH:
        return "-all,+dac_read_search"
    if bounding & _DAC_OVERRIDE:  # all that Docker leaves us
        return "-all,+dac_override"
    return "-all"
