"""The connections of `[connections]` and the sources of the types that are listed by them, joined.

Each connection is made once: planner, reader, previews and looks ask through the same one, so they share its budget.
"""

import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.config.sections.connections import (
    BasicAuth,
    BearerAuth,
    ConnectionSettings,
    HeaderAuth,
    OAuth2Auth,
)
from backfilld.config.sections.entity_types import EntityTypeSettings
from backfilld.config.sections.http_types import HttpSettings, PagingSettings
from backfilld.domain.entities.pair_lists import parse_members
from backfilld.domain.filters import Tree, parse_path, read_filter, resolve
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.http.addresses import AddressNotAllowed, guarded_socket
from backfilld.executors.secrets import SecretMissing, SecretStore
from backfilld.sources.base import SourceRefused
from backfilld.sources.http import auth as ways_in
from backfilld.sources.http.auth import Auth, Credential
from backfilld.sources.http.budget import Budget, BudgetLimits
from backfilld.sources.http.connection import Base, Connection, Terms
from backfilld.sources.http.dialects.generic import GenericDialect
from backfilld.sources.http.shape import (
    Counting,
    Paging,
    PairList,
    Parent,
    PushedField,
    Reading,
    Request,
    Resource,
)
from backfilld.sources.http.source import HttpSource, Purposes
from backfilld.sources.http.wire import Wire

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
    types: Mapping[str, EntityTypeSettings], connections: Connections, clock: Clock, purposes: Purposes
) -> dict[str, HttpSource]:
    """The sources of the types that are listed by an API."""
    listed = {name: known for name, known in types.items() if known.http is not None}
    resources = {name: _resource(name, known) for name, known in listed.items()}
    return {
        name: HttpSource(
            _with_parent(resources[name], known.http, resources, clock),
            GenericDialect(),
            connections[known.http.connection],
            clock,
            purposes,
        )
        for name, known in listed.items()
        if known.http is not None
    }


def _connection(name: str, known: ConnectionSettings, secrets: SecretStore, clock: Clock) -> Connection:
    wire = Wire(_sockets(private=known.allow_private_address))
    rates = {HOUR: known.requests_per_hour, MINUTE: known.requests_per_minute}
    limits = BudgetLimits(
        {seconds: most for seconds, most in rates.items() if most is not None},
        known.max_concurrent,
        known.max_concurrent_per_endpoint,
    )
    test = None if known.test_path is None else Request("GET", known.test_path, endpoint=known.test_path)
    terms = Terms(name, known.headers, test)
    base = Base(known.url or "")
    return Connection(terms, base, _auth(known, wire, secrets, clock), Budget(name, limits, clock), wire, clock, Hiding)


def _auth(known: ConnectionSettings, wire: Wire, secrets: SecretStore, clock: Clock) -> Auth:
    match known.auth:
        case BearerAuth(token=token):
            return ways_in.HeaderAuth({"Authorization": _credential(token.secret, secrets)}, prefix="Bearer ")
        case HeaderAuth(name=name, value=value):
            return ways_in.HeaderAuth({name: _credential(value.secret, secrets)})
        case BasicAuth(username=username, password=password):
            return ways_in.BasicAuth(lambda: username, _credential(password.secret, secrets))
        case OAuth2Auth() as oauth:

            async def fetch(form: Mapping[str, str]) -> Any:
                return await wire.send("POST", oauth.token_url, {}, form=form)

            secret = _credential(oauth.client_secret.secret, secrets)
            return ways_in.TokenAuth(fetch, lambda: oauth.client_id, secret, oauth.scope, clock)
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


def _resource(name: str, known: EntityTypeSettings) -> Resource:
    assert known.http is not None  # noqa: S101 - only those are asked for
    http = known.http
    lists = {**known.lists, **http.lists}
    return Resource(
        entity_type=name,
        path=http.path or "",
        paging=_paging(http.paging),
        method=http.method or "GET",
        parameters=http.parameters,
        records=_path(http.records),
        id=_path(http.id or "id"),
        updated_at=_path(http.updated_at) or None,
        count=None if http.count is None else Counting(http.count.path, _path(http.count.value)),
        read=_reading(http),
        fields={**http.fields, **known.fields},
        push={
            field: PushedField(
                it.operators, it.parameter, it.join, it.exact, it.format, it.widen_seconds if it.format else 0.0
            )
            for field, it in http.push.items()
        },
        lists=tuple(PairList(field, parse_members(word), field) for field, word in lists.items()),
        freshness_seconds=http.freshness_seconds,
        plans_outside_windows=http.plan_outside_windows,
    )


def _with_parent(resource: Resource, http: HttpSettings, resources: Mapping[str, Resource], clock: Clock) -> Resource:
    resource = replace(resource, where=_filter(http.where, resource, clock))
    if http.parent is None:
        return resource
    parent = resources[http.parent.type]
    return replace(resource, parent=Parent(parent, _filter(http.parent.where, parent, clock)))


def _filter(spec: Mapping[str, Any] | None, resource: Resource, clock: Clock) -> Tree | None:
    if spec is None:
        return None
    tree = read_filter(dict(spec), "").tree
    return (
        None
        if tree is None
        else resolve(tree, now=clock.now(), zone=ZoneInfo("UTC"), known_fields=resource.fields).tree
    )


def _paging(paging: PagingSettings | None) -> Paging:
    if paging is None:
        return Paging("none")
    return Paging(
        paging.type,
        paging.parameter,
        paging.size_parameter,
        paging.size,
        paging.order,
        paging.first,
        _path(paging.total) or None,
        _path(paging.cursor) or None,
        paging.cursor_header,
        _path(paging.url) or None,
    )


def _reading(http: HttpSettings) -> Reading:
    if http.read is None or http.read == "none":
        return Reading("none")
    read = http.read
    return Reading(read.type, read.parameter or "", read.join, read.most, read.path or "")


def _path(text: str | None) -> tuple[str, ...]:
    return parse_path(text) if text else ()
