"""The ids that a backfill was given, in a table of their own.

There may be half a million. The backfill's row says how many there are, and their digest, so that whoever looks at a
backfill, moves it or runs it never carries them along; planning reads them page by page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from backfilld.domain.entities.ids import IdsDigest
from backfilld.domain.errors import NotFound
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

AT_ONCE = 10_000
FAILED = ("failed",)
COPY_TIMEOUT_SECONDS = 600  # copying a million takes seconds; the statement's own limit is for small ones

_sql = load("backfills.ids")


@dataclass(frozen=True, slots=True)
class EndedIn:
    """The entities that ended so in an ended backfill, in the order of its plan; `error_class` None: any.

    `error_group`: only those with this fingerprint (`operations.watching.errors` names the groups).
    """

    backfill_number: int
    error_class: str | None = None
    error_group: bytes | None = None
    statuses: tuple[str, ...] = FAILED


async def keep_ids(connection: Connection, backfill_number: int, ids: Sequence[str] | EndedIn | None) -> None:
    """Store the list of a new backfill, each id once, and sum it up in its row.

    NotFound for the items of one that was deleted.
    """
    if ids is None:
        return
    if isinstance(ids, EndedIn):
        await _copy_ended(connection, backfill_number, ids)
    else:
        await _copy(connection, backfill_number, list(dict.fromkeys(ids)))
    digest, count = IdsDigest(), 0
    while (page := await connection.fetchrow(_sql.list_lines, backfill_number, count, AT_ONCE)) and page["number"]:
        digest.add(page["lines"])
        count += page["number"]
    await connection.execute(_sql.sum_up, backfill_number, count, digest.text())


async def _copy(connection: Connection, backfill_number: int, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), AT_ONCE):
        await connection.copy_records_to_table(
            "backfill_ids",
            columns=("backfill_number", "position", "entity_id"),
            records=((backfill_number, n, id) for n, id in enumerate(ids[start : start + AT_ONCE], start)),
        )


async def _copy_ended(connection: Connection, backfill_number: int, ended: EndedIn) -> None:
    """In the database: however many there are, none of them comes here."""
    if await connection.fetchval(_sql.hold_parent, ended.backfill_number) is None:
        raise NotFound("the backfill whose items were to be run again has just been deleted")
    await allow(connection, COPY_TIMEOUT_SECONDS)
    statement, values = _copying(ended)
    numbers = (backfill_number, ended.backfill_number)
    await connection.execute(statement, *numbers, *values, timeout=COPY_TIMEOUT_SECONDS)


def _copying(ended: EndedIn) -> tuple[str, tuple[object, ...]]:
    if ended.error_group is not None:
        return _sql.copy_failed_of_group, (ended.error_group, ended.error_class)
    if ended.error_class is not None:
        return _sql.copy_failed_of_class, (ended.error_class,)
    return (_sql.copy_failed, ()) if ended.statuses == FAILED else (_sql.copy_ended, (ended.statuses,))


async def list_ids(on: Connection | Pool, backfill_number: int, *, since: int, most: int) -> list[str]:
    """Up to `most` ids from a position on."""
    return [row["entity_id"] for row in await on.fetch(_sql.list_ids, backfill_number, since, most)]
