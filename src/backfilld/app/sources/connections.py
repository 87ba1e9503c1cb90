"""The connections of `[connections]` and the sources of the types that are listed by them, joined.

Each connection is made once: planner, reader, previews and looks ask through the same one, so they share its budget.
"""

import socket
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any

from backfilld.app.sources.resources import Resources
from backfilld.app.sources.systems import SYSTEMS, Secret, dialect_of
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.config.presets import preset
from backfilld.config.sections.apis.connections import BasicAuth, BearerAuth, ConnectionSettings, HeaderAuth, OAuth2Auth
from backfilld.config.sections.entity_types import EntityTypeSettings
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.http.addresses import AddressNotAllowed, guarded_socket
from backfilld.executors.secrets import SecretMissing, SecretStore
from backfilld.sources.base import SourceRefused
from backfilld.sources.http.asking import auth as ways_in
from backfilld.sources.http.asking.auth import Auth, Credential
from backfilld.sources.http.asking.budget import Budget, BudgetLimits
from backfilld.sources.http.asking.connection import Base, Connection, System, Terms
from backfilld.sources.http.asking.sending import Sender
from backfilld.sources.http.asking.wire import Wire
from backfilld.sources.http.not_offered import NotOffered
from backfilld.sources.http.shape import Request
from backfilld.sources.http.source import HttpSource, Purposes
from backfilld.sources.registry import ForeignSource

HOUR, MINUTE = 3600.0, 60.0

Connections = Mapping[str, Connection]


class PrivateAddressNotAllowed(OSError):
    """Raised instead of connecting."""

    def __init__(self) -> None:
        message = "the address is loopback or in a private network; allow_private_address = true would allow it"
        super().__init__(0, message)


def connections_of(settings: Settings, secrets: SecretStore, clock: Clock) -> Connections:
    """Every connection; nothing is opened yet."""
    return {name: _connection(name, known, secrets, clock) for name, known in settings.connections.items()}


def http_sources(
    types: Mapping[Any, EntityTypeSettings],
    settings: Mapping[str, ConnectionSettings],
    connections: Connections,
    clock: Clock,
    purposes: Purposes,
) -> dict[str, ForeignSource]:
    """The sources of the types that are listed by an API."""
    listed = {name: known.http for name, known in types.items() if known.http is not None}
    resources = Resources(types, settings, clock)
    found: dict[str, ForeignSource] = {}
    for name, http in listed.items():
        if (resource := resources.find(name)) is None:
            system = resources.preset_of(name)
            assert system is not None  # noqa: S101 - only a preset lacks a type
            found[name] = NotOffered(name, system.title, sorted(system.types))
        else:
            connection = connections[http.connection]
            found[name] = HttpSource(resource, dialect_of(settings[http.connection]), connection, clock, purposes)
    return found


def _connection(name: str, known: ConnectionSettings, secrets: SecretStore, clock: Clock) -> Connection:
    system = None if known.preset is None else preset(known.preset)
    answer_seconds = None if system is None else system.answer_seconds
    rates = {HOUR: known.limit("requests_per_hour"), MINUTE: known.limit("requests_per_minute")}
    limits = BudgetLimits(
        {seconds: most for seconds, most in rates.items() if most is not None},
        known.limit("max_concurrent"),
        known.limit("max_concurrent_per_endpoint"),
    )
    path = known.test_path or (None if system is None else system.test_path)
    test = None if path is None else Request("GET", path, endpoint=path)
    sender = Sender(Wire(_sockets(private=known.allow_private_address)), Budget(name, limits, clock))
    made = SYSTEMS.get(known.preset or "", _any)(known, sender, partial(_credential, secrets=secrets), clock)
    terms = Terms(name, known.headers, test, _remedy(known), answer_seconds)
    return Connection(terms, made, sender, clock, Hiding)


def _remedy(known: ConnectionSettings) -> str:
    """What to do where credentials are refused."""
    secrets = " or ".join(f"secrets.{name}" for name in known.secret_names())
    if not secrets:
        return "it wants to know who asks: say so in auth"
    whose = f" of {known.username}" if known.username else ""
    again = ", its zone was asked for again" if known.preset == "autotask" else ""
    return f"the credentials{whose} are refused{again}: mend {secrets}, then SIGHUP"


def _any(known: ConnectionSettings, sender: Sender, secret: Secret, clock: Clock) -> System:
    return System(Base(known.url or ""), _auth(known, sender, secret, clock))


def _auth(known: ConnectionSettings, sender: Sender, secret: Secret, clock: Clock) -> Auth:
    match known.auth:
        case BearerAuth(token=token):
            return ways_in.HeaderAuth({"Authorization": secret(token.secret)}, prefix="Bearer ")
        case HeaderAuth(name=name, value=value):
            return ways_in.HeaderAuth({name: secret(value.secret)})
        case BasicAuth(username=username, password=password):
            return ways_in.BasicAuth(lambda: username, secret(password.secret))
        case OAuth2Auth() as oauth:

            async def fetch(form: Mapping[str, str]) -> Any:
                return await sender.ask_beside("token", "POST", oauth.token_url, form)

            client_secret = secret(oauth.client_secret.secret)
            return ways_in.TokenAuth(fetch, lambda: oauth.client_id, client_secret, oauth.scope, clock)
    return ways_in.NoAuth()


def _credential(name: str, secrets: SecretStore) -> Credential:
    def credential() -> str:
        try:
            return secrets.get(name).present
        except SecretMissing as problem:
            raise SourceRefused(str(problem)) from problem

    return credential


def _sockets(*, private: bool) -> Callable[[Any], socket.socket]:
    def made(info: Any) -> socket.socket:
        address = ip_address(info[4][0].partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        if not private and (mapped.is_private or mapped.is_loopback):
            raise PrivateAddressNotAllowed
        try:
            return guarded_socket(info)
        except AddressNotAllowed as problem:
            raise OSError(0, str(problem)) from problem

    return made
