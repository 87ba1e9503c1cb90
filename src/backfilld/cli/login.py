"""`backfilld login` and `logout`: a person's way to a daemon, kept for later."""

import click

from backfilld.cli.options import Server
from backfilld.cli.output import exit_codes
from backfilld.cli.output.error_output import Failure
from backfilld.cli.profiles import DEFAULT, Profile, forget, keep
from backfilld.cli.running import run


@click.command("login")
@click.option("--url", required=True, envvar="BACKFILLD_URL", show_envvar=True, help="Where the daemon is.")
@click.option("--profile", default=DEFAULT, show_default=True, help="Under which name it is kept.")
@click.option("--api-key", envvar="BACKFILLD_API_KEY", show_envvar=True, help="Left out: asked for, and not shown.")
def login(url: str, profile: str, api_key: str | None) -> None:
    """Keep where the daemon is, and your API key, for later commands. $BACKFILLD_PROFILE chooses among several."""
    key = (api_key or click.prompt("API key", hide_input=True, err=True)).strip()
    server = Server(url.rstrip("/"), key)

    async def ask() -> None:
        async with server.client() as client:
            await client.list_workflows(page_size=1)

    run(ask())
    place = keep(profile, Profile(server.url, key))
    click.echo(f"The key works. It is kept in {place} as {profile!r}.")


@click.command("logout")
@click.option("--profile", default=DEFAULT, show_default=True, help="Which one.")
def logout(profile: str) -> None:
    """Forget what `login` has kept. The key stays valid until somebody revokes it."""
    if not forget(profile):
        raise Failure(f"there is no profile {profile!r}", exit_code=exit_codes.NOT_FOUND)
    click.echo(f"{profile!r} is forgotten. `backfilld keys revoke` makes its key useless.")
