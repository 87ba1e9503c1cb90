"""From one version to the next and back, step by step: each step can be repeated, and the first that fails ends it all.

Nothing is changed before the way back is there. On the way forward that is a verified dump; on the way back it is a
database that was restored beside the present one, which is kept under another name.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backfilld.cli.admin.upgrade.installation import Installation
from backfilld.cli.admin.upgrade.postgres import Postgres
from backfilld.cli.admin.upgrade.service import Service
from backfilld.cli.output.error_output import Failure

BY_HAND = "read `journalctl -u backfilld -n 50`; the way back: `backfilld upgrade rollback`"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What the steps work on. `at` names what is made; `say` hears of every step that is done."""

    installation: Installation
    service: Service
    postgres: Postgres
    dumps: Path
    schema: str | None
    at: datetime
    say: Callable[[str], None]

    def switch(self, version: str) -> None:
        """Let the service run `version`. Done again, it only sees to it that the service runs."""
        before = self.installation.current
        if before == version:
            self.say(f"{version} is the current version already, so no dump is made")
        else:
            self._dump(before, version)
            self.installation.switch(version)
            self.say(f"{version} is the current version, {before} the previous one")
        self._start()

    def roll_back(self, then: str) -> None:
        """Let the service run the version before, on a database that it knows; `then` is SQL for a restored one."""
        before, present = self.installation.previous, self.installation.current
        if before is None:
            raise Failure(f"no version before {present} is noted")
        lacks = sorted(self._applied() - self.installation.migrations(before))
        if not lacks:
            self.say(f"{before} knows the database as it is")
        else:
            self.say(f"{before} does not know {', '.join(lacks)}: the dump from before has to be put back")
            self._put_back(before, present, then)
        self.installation.switch_back(before)
        self.say(f"{before} is the current version")
        self._start()

    def room_needed(self) -> int:
        """Bytes that the disk of the dumps should have free."""
        return self.postgres.size()

    def dumps_of(self, before: str, version: str) -> list[Path]:
        """What was dumped before that upgrade, oldest first."""
        return sorted(self.dumps.glob(f"backfilld-{before}-before-{version}-*.dump"))

    def _dump(self, before: str, version: str) -> None:
        file = self.dumps / f"backfilld-{before}-before-{version}-{self.at:%Y%m%dT%H%M%SZ}.dump"
        self.postgres.dump(file)
        self.say(f"{file} holds the database, and can be read to its end")

    def _put_back(self, before: str, present: str, then: str) -> None:
        found = self.dumps_of(before, present)
        if not found:
            raise Failure(
                f"there is no dump {self.dumps}/backfilld-{before}-before-{present}-*.dump; nothing was changed"
            )
        file, stamp = found[-1], f"{self.at:%Y%m%dt%H%M%Sz}"
        self.postgres.verify(file)
        beside, kept_as = f"{self.postgres.name}_restored_{stamp}", f"{self.postgres.name}_replaced_{stamp}"
        self.postgres.restore_beside(file, beside, then)
        self.say(f"{file} is restored, as the database {beside}")
        try:
            self.service.stop()
            self.postgres.exchange(beside, kept_as)
        except Failure:
            self.postgres.drop(beside)
            with suppress(Failure):
                self.service.restart()
            raise
        self.say(
            f"it took the place of {self.postgres.name}, which is kept as {kept_as} until `upgrade prune --databases`"
        )

    def _applied(self) -> frozenset[str]:
        where = f"SET search_path TO {self.schema}; " if self.schema else ""  # a name without anything special
        names = "SELECT lpad(number::text, 4, '0') || '_' || name FROM schema_migration"
        rows = self.postgres.ask(where + names, self.postgres.name)
        return frozenset(rows.split())

    def _start(self) -> None:
        try:
            self.service.write_unit(self.installation.root / "current/bin/backfilld")
            self.service.restart()
        except Failure as problem:
            raise Failure(f"{self.installation.current} does not start: {problem.message}; {BY_HAND}") from problem
        self.say(f"the service runs {self.installation.current}")
