"""What ends a start: either somebody has to mend it here first, or it may be mended elsewhere and is waited for.

A supervisor that starts us again every two seconds helps in neither case, so the first ends the process with an exit
code that says so, and the second does not end it.
"""

import asyncpg

from backfilld.store.connection.connect_errors import DatabaseRefused
from backfilld.store.connection.transient_errors import NOT_LET_IN
from backfilld.store.migrate import MayNotMigrate, MigrationRefused

# A password, a role, a database or a right that is missing can be given while we wait.
_FOR_NOW = (*NOT_LET_IN, MayNotMigrate)
_FOR_GOOD = (asyncpg.PostgresError, DatabaseRefused, MigrationRefused)


class CannotWork(Exception):
    """To start again as it is would be in vain; the message says what to mend."""


def is_refused_for_now(problem: BaseException) -> bool:
    """True if whoever keeps the database can mend it there, and asking again finds out."""
    return isinstance(problem, _FOR_NOW) or (isinstance(problem, DatabaseRefused) and problem.may_pass)


def in_vain(problem: Exception) -> CannotWork | None:
    """What ends the start with the words of `problem`; None for a bug, which shall be seen whole."""
    if not isinstance(problem, _FOR_GOOD) and not (isinstance(problem, ValueError) and _is_of_asyncpg(problem)):
        return None
    notes = "".join(f" ({note})" for note in getattr(problem, "__notes__", ()))
    return CannotWork(f"the database: {problem or type(problem).__name__}{notes}")


def _is_of_asyncpg(problem: Exception) -> bool:
    return type(problem).__module__.startswith("asyncpg.")
