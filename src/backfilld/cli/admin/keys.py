"""`backfilld keys …`: API keys, directly on the database.

The first key cannot be asked for over HTTP, and a key may not make keys. So whoever can reach the database makes them
here: beside a running daemon, or before its first start.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from backfilld.cli.admin.database import migrated_pool
from backfilld.cli.naming import is_beginning, the_one
from backfilld.cli.options import config_option, json_option, reason_option
from backfilld.cli.output.printing import local, print_fields, print_json, print_table, short_id
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup
from backfilld.clock import SystemClock
from backfilld.domain.access.callers import ROLES, Actor, Role
from backfilld.domain.errors import Fault
from backfilld.domain.instants import beyond, bounded

if TYPE_CHECKING:
    from backfilld.domain.access.keys import ApiKey
    from backfilld.store.connection.pool import Pool

ACTOR = Actor.local("cli")


@click.group("keys", cls=WholeGroup)
def group() -> None:
    """Make, list and revoke API keys, directly on the database."""


class Expiry(click.ParamType[datetime]):
    """`30d`, `12h`, or an instant with its offset."""

    name = "30d|12h|INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        number, unit = value[:-1], value[-1:]
        if unit in ("d", "h") and number.isascii() and number.isdigit() and len(number) <= 5:
            return SystemClock().now() + timedelta(**{"days" if unit == "d" else "hours": int(number)})
        try:
            when = datetime.fromisoformat(value)
            if when.tzinfo is None:
                self.fail(f"{value!r} has no offset; write 2027-12-31T00:00:00Z", param, ctx)
            instant = bounded(when.astimezone(UTC), "")
        except ValueError:
            self.fail(f"{value!r} is neither like 30d or 12h nor like 2027-12-31T00:00:00Z", param, ctx)
        except OverflowError:
            instant = beyond("")
        if isinstance(instant, Fault):
            self.fail(f"{value!r} {instant.message}", param, ctx)
        return instant


@group.command("create")
@click.option("--name", required=True, help="Who will use it; shown in lists and in the audit trail.")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="viewer reads, operator also creates and steers, admin also manages workflows and keys.",
)
@click.option("--expires", "expires_at", type=Expiry(), help="Left out: it does not expire.")
@json_option
@config_option
def create(config: Path | None, as_json: bool, name: str, role: Role, expires_at: datetime | None) -> None:
    """Make a key. It is shown this once and kept nowhere."""
    from backfilld.operations.keys import create_key

    async def work() -> dict[str, Any]:
        async with migrated_pool(config) as (settings, pool):
            environment = settings.auth.key_environment
            made = await create_key(
                pool, SystemClock(), name=name, role=role, actor=ACTOR, expires_at=expires_at, environment=environment
            )
            return {
                "id": str(made.id),
                "key": made.key,
                "name": made.name,
                "role": made.role,
                "expires_at": _written(made.expires_at),
            }

    made = run(work())
    if as_json:
        print_json(made)
    else:
        print_fields(made)


@group.command("list")
@json_option
@config_option
def list_(config: Path | None, as_json: bool) -> None:
    """List the keys, newest first; revoked and expired ones included."""
    keys = run(_all(config))
    if as_json:
        print_json({"api_keys": keys})
        return
    names = ("id", "name", "role", "prefix", "created_at", "expires_at", "last_used_at", "revoked_at")
    print_table(
        [name.upper().replace("_", " ") for name in names],
        [[_shown(name, key[name]) for name in names] for key in keys],
    )


def _shown(name: str, value: str | None) -> str | None:
    if name.endswith("_at"):
        return local(value)
    return short_id(value) if name == "id" and value else value


async def _all(config: Path | None) -> list[dict[str, Any]]:
    async with migrated_pool(config) as (_, pool):
        return [
            {
                "id": str(key.id),
                "name": key.name,
                "role": key.role,
                "prefix": key.prefix,
                "created_by": key.created_by,
                "created_at": _written(key.created_at),
                "expires_at": _written(key.expires_at),
                "last_used_at": _written(key.last_used_at),
                "revoked_at": _written(key.revoked_at),
            }
            async for key in _every(pool)
        ]


async def _every(pool: "Pool") -> "AsyncIterator[ApiKey]":
    from backfilld.operations.keys import list_keys

    page = await list_keys(pool)
    while page:
        for key in page:
            yield key
        page = await list_keys(pool, after=(page[-1].created_at, page[-1].id))


@group.command("revoke")
@click.argument("id")
@reason_option
@json_option
@config_option
def revoke(config: Path | None, as_json: bool, id: str, reason: str | None) -> None:
    """Make a key useless, everywhere within a second. Repeating is harmless. ID may be the beginning of one."""
    from backfilld.operations.keys import revoke_key

    async def work() -> dict[str, Any]:
        async with migrated_pool(config) as (_, pool):
            whole = the_one(id, [str(key.id) async for key in _every(pool)], "key") if is_beginning(id) else id
            key = await revoke_key(pool, SystemClock(), _uuid(whole), actor=ACTOR, why=reason)
            return {"id": str(key.id), "name": key.name, "revoked_at": _written(key.revoked_at)}

    revoked = run(work())
    if as_json:
        print_json(revoked)
    else:
        click.echo(f"revoked {revoked['name']} ({revoked['id']})")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no id of a key, nor the beginning of one", param_hint="ID") from None


def _written(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
