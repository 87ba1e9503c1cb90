"""`backfilld backfills pause|resume|cancel --name NAME | --reason-code CODE`: many at once, if so many are meant."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from backfilld.cli.naming import optional_backfill_argument
from backfilld.cli.output.printing import print_json, print_table

if TYPE_CHECKING:
    from backfilld.client import Client

F = TypeVar("F", bound=Callable[..., Any])
ACTIVE = ("planning", "running", "waiting", "paused", "cancelling")


@dataclass(frozen=True)
class Which:
    """One by its id, or all active ones of a name, of a reason, or of both."""

    id: str | None
    name: str | None
    reason_code: str | None
    yes: bool


def many_options(command: F) -> F:
    """`which`: ID, or --name and --reason-code with --yes."""

    @optional_backfill_argument
    @click.option("--name", help="Instead of ID: every active one of that name.")
    @click.option("--reason-code", help="Instead of ID: every active one that is held by that reason.")
    @click.option("--yes", is_flag=True, help="Do not ask whether so many are meant.")
    @wraps(command)
    def with_which(
        *args: Any, id: str | None, name: str | None, reason_code: str | None, yes: bool, **options: Any
    ) -> Any:
        if (id is None) is (name is None and reason_code is None):
            raise click.UsageError("give either ID, or --name or --reason-code")
        return command(*args, which=Which(id, name, reason_code, yes), **options)

    return with_which  # type: ignore[return-value]


async def found(client: "Client", which: Which) -> list[dict[str, Any]]:
    """The active backfills of that name, or that are held by that reason; of both, where both are given."""
    return [
        one
        async for one in client.every("backfills", "/backfills", status=list(ACTIVE))
        if (which.name is None or one.get("name") == which.name)
        and (which.reason_code is None or (one.get("status_reason") or {}).get("code") == which.reason_code)
    ]


async def steer(
    client: "Client",
    verb: str,
    backfills: list[dict[str, Any]],
    options: dict[str, Any],
    which: Which,
    *,
    as_json: bool,
) -> bool:
    """Do `verb` to each; False if one of them could not be."""
    from backfilld.client import ApiError

    if backfills and not which.yes:
        click.confirm(f"{verb} {len(backfills)} backfills?", abort=True, err=True)
    act = {"pause": client.pause_backfill, "resume": client.resume_backfill, "cancel": client.cancel_backfill}[verb]
    rows, fine = [], True
    for one in backfills:
        try:
            said = (await act(one["id"], **options))["message"]
        except ApiError as problem:
            said, fine = problem.message, False
        rows.append([one["id"], one["target_workflow_name"], said])
    if as_json:
        print_json({"backfills": [{"id": id, "workflow": workflow, "message": said} for id, workflow, said in rows]})
    else:
        print_table(["ID", "WORKFLOW", "WHAT BECAME OF IT"], rows, empty="No such backfills.")
    return fine
