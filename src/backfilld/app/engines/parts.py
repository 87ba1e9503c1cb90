"""The engines of `[engines]`, each made once. Nothing is connected yet."""

from backfilld.app.engines.temporal import temporal_engine
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.config.sections.engines import AnyEngineSettings
from backfilld.config.sections.engines.temporal import TemporalEngineSettings
from backfilld.executors.digdag.connection import DigdagConnection, Terms
from backfilld.executors.digdag.engine import DigdagEngine
from backfilld.executors.engines import Engine, Engines, Hold
from backfilld.executors.secrets import SecretStore


def engines_of(settings: Settings, secrets: SecretStore, clock: Clock, hold: Hold) -> Engines:
    """Every engine; whoever makes them closes them. `hold` is told what stands in the way of starts there."""
    return {name: _engine(name, known, settings, secrets, clock, hold) for name, known in settings.engines.items()}


def _engine(
    name: str, known: AnyEngineSettings, settings: Settings, secrets: SecretStore, clock: Clock, hold: Hold
) -> Engine:
    if isinstance(known, TemporalEngineSettings):
        return temporal_engine(name, known, secrets, clock, hold, settings.workflows)
    auth = known.auth
    terms = Terms(
        name=name,
        url=known.url,
        auth=None if auth is None else (auth.secret, auth.scheme, auth.username),
        headers={header: value if isinstance(value, str) else value.secret for header, value in known.headers.items()},
        secret_headers=frozenset(name for name, value in known.headers.items() if not isinstance(value, str)),
        max_concurrent=known.max_concurrent,
        requests_per_minute=known.requests_per_minute,
        ask_seconds=known.ask_seconds,
        connect_seconds=settings.executors.connect_timeout_seconds,
        silence_seconds=settings.executors.response_timeout_seconds,
    )
    return DigdagEngine(DigdagConnection(terms, secrets, clock), clock, hold)
