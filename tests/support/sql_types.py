"""The sources of a configuration in which tickets are listed by a query on another database."""

from pathlib import Path

from backfilld.app.sources.parts import sources_of
from backfilld.clock import Clock
from backfilld.config import load_settings
from backfilld.executors.secrets import SecretStore
from backfilld.sources.registry import SourceRegistry
from backfilld.store.connection.pool import Pool

TICKETS = """
CREATE TABLE tickets (id bigint PRIMARY KEY, status text, priority int, closed_at timestamptz);
INSERT INTO tickets
SELECT n, (ARRAY['open', 'closed'])[n % 2 + 1], n % 5, '2027-01-01T00:00Z'::timestamptz + n * interval '1 day'
  FROM generate_series(1, 20) AS n;
"""
QUERY = "SELECT * FROM tickets"


def sql_sources(
    folder: Path, dsn: str, pool: Pool, clock: Clock, query: str = QUERY, *, more: str = ""
) -> SourceRegistry:
    """As the daemon makes them from its file; `more` are lines of its section."""
    file = folder / "backfilld.toml"
    file.write_text(
        f'[secrets.crm]\nvalue = "{dsn}"\n[entity_types.ticket]\nsource = "sql"\nfields = {{ status = "string" }}\n'
        f'[entity_types.ticket.sql]\ndsn = {{ secret = "crm" }}\nquery = "{query}"\nupdated_at = "closed_at"\n'
        f"{more}\n"
    )
    file.chmod(0o600)
    settings = load_settings(file, {})
    return sources_of(settings, pool, SecretStore(settings.read_secrets()), clock)
