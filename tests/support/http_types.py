"""The sources of a configuration in which entities are listed by an API, as the daemon makes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backfilld.app.sources.connections import connections_of
from backfilld.app.sources.parts import sources_of
from backfilld.clock import Clock
from backfilld.config import load_settings
from backfilld.executors.secrets import SecretStore
from backfilld.sources.http.asking.connection import Connection
from backfilld.sources.http.source import Purposes
from backfilld.sources.registry import SourceRegistry
from backfilld.store.connection.pool import Pool

SECRET = "s3cret-of-the-api-0123456789"
TICKETS = """
[secrets.crm]
value = "{secret}"
[connections.crm]
url = "{url}"
auth = {{ type = "bearer", token = {{ secret = "crm" }} }}
allow_private_address = true
test_path = "/me"
{connection}
[entity_types.ticket]
source = "http"
[entity_types.ticket.http]
connection = "crm"
path = "/keyset"
records = "data"
paging = {{ type = "keyset", parameter = "after", size_parameter = "limit", size = 100, order = {{ order = "id" }} }}
count = {{ path = "/count", value = "total" }}
read = {{ type = "many", parameter = "ids", most = 100 }}
plan_outside_windows = true
push.status = {{ operators = ["=", "in"], parameter = "status", join = ",", exact = true }}
{more}
"""


def text_of(url: str, connection: str = "", more: str = "") -> str:
    return TICKETS.format(url=url, secret=SECRET, connection=connection, more=more)


@asynccontextmanager
async def http_types(
    folder: Path, text: str, pool: Pool, clock: Clock, purposes: Purposes | None = None
) -> AsyncIterator[tuple[SourceRegistry, Connection]]:
    """The registry, and its first connection."""
    file = folder / "http_types.toml"
    file.write_text(text)
    file.chmod(0o600)
    settings = load_settings(file, {})
    secrets = SecretStore(settings.read_secrets())
    connections = connections_of(settings, secrets, clock)
    yield sources_of(settings, pool, secrets, clock, connections, purposes), next(iter(connections.values()))
    for connection in connections.values():
        await connection.close()
