"""Finding things by the names that people use for them."""

from typing import TYPE_CHECKING

from backfilld.cli.output import exit_codes
from backfilld.cli.output.error_output import Failure
from backfilld.domain.errors import did_you_mean

if TYPE_CHECKING:
    from backfilld.client import Client


async def workflow_id(client: "Client", wanted: str) -> int:
    """The id of the workflow called `wanted`: an id, a name, or PROJECT/NAME. Failure if it is none, or several."""
    if wanted.isascii() and wanted.isdigit():
        return int(wanted)
    project, _, name = wanted.rpartition("/")
    known = [workflow async for workflow in client.every("workflows", "/workflows")]
    found = [
        workflow
        for workflow in known
        if workflow["name"] in (name, wanted) and (not project or workflow["project"] == project)
    ]
    if len(found) == 1:
        return int(found[0]["id"])
    if found:
        several = ", ".join(f"{workflow['project']}/{workflow['name']} ({workflow['id']})" for workflow in found)
        raise Failure(f"several workflows are called {wanted!r}: {several}", exit_code=exit_codes.USAGE)
    near = did_you_mean(name, [workflow["name"] for workflow in known])
    raise Failure(f"there is no workflow {wanted!r}{near}", exit_code=exit_codes.NOT_FOUND, code="not_found")
