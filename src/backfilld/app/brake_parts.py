"""The brakes that `[brakes]` names, joined to what they look at."""

from collections.abc import Callable, Iterator, Mapping

from backfilld.app.sources.parts import dsn_of
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.config.sections.brakes import BrakeSettings
from backfilld.domain.brakes.settings import BrakeSettings as Brake
from backfilld.domain.filters.paths import parse_path
from backfilld.engine.brakes.file_signal import FileSignal
from backfilld.engine.brakes.http_signal import HttpSignal
from backfilld.engine.brakes.prometheus_signal import PrometheusSignal
from backfilld.engine.brakes.signals import Signal
from backfilld.engine.brakes.sql_signal import SqlSignal
from backfilld.engine.http_asking import HttpAsking
from backfilld.executors.definitions.parts import SecretReference
from backfilld.executors.secrets import SecretStore
from backfilld.sources.sql_connections import SqlConnections


def brakes_of(settings: Settings, secrets: SecretStore, clock: Clock) -> Iterator[tuple[Brake, Callable[[], Signal]]]:
    """Each with how to make what it looks at; nothing is connected yet."""
    for name, chosen in settings.brakes.items():
        yield chosen.brake(name), lambda chosen=chosen: _signal(chosen, secrets, clock)  # type: ignore[misc]


def _signal(chosen: BrakeSettings, secrets: SecretStore, clock: Clock) -> Signal:
    seconds, limits = chosen.timeout_seconds, chosen.thresholds()
    if chosen.type == "file" and chosen.path is not None:
        return FileSignal(chosen.path)
    if chosen.type == "sql" and chosen.dsn is not None:
        connections = SqlConnections(dsn_of(chosen.dsn.secret, secrets), longest_statement_seconds=seconds)
        return SqlSignal(connections, chosen.query or "", seconds=seconds, by_word=limits is None)
    asking = HttpAsking(lambda: headers_of(chosen.headers, secrets), chosen.ca_file, keeps=False)
    if chosen.type == "prometheus" and limits is not None:
        return PrometheusSignal(asking, chosen.url or "", chosen.query or "", limits, seconds=seconds)
    value = None if chosen.value is None else tuple(parse_path(chosen.value))
    return HttpSignal(asking, chosen.url or "", clock, seconds=seconds, value=value)


def headers_of(headers: Mapping[str, str | SecretReference], secrets: SecretStore) -> dict[str, str]:
    """With the secrets in them as they are now; SecretMissing."""
    return {
        name: secrets.get(value.secret).present if isinstance(value, SecretReference) else value
        for name, value in headers.items()
    }
