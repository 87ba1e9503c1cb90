"""The systems that have a preset: where each is, how one is let in, and how it is spoken to.

Everything else about them stands in their tables (`config.presets`).
"""

from collections.abc import Callable, Mapping

from backfilld.clock import Clock
from backfilld.config.sections.apis.connections import ConnectionSettings
from backfilld.sources.http.answers import Answer
from backfilld.sources.http.asking import auth as ways_in
from backfilld.sources.http.asking.auth import Credential
from backfilld.sources.http.asking.connection import Base, System, VendorCount
from backfilld.sources.http.asking.sending import Sender
from backfilld.sources.http.dialects import autotask, connectwise
from backfilld.sources.http.dialects.base import Dialect
from backfilld.sources.http.dialects.codebase import CodebaseBase
from backfilld.sources.http.dialects.generic import GenericDialect
from backfilld.sources.http.dialects.halo import HaloDialect
from backfilld.sources.http.dialects.zone import ZoneBase

Secret = Callable[[str], Credential]  # the name of a secret → its value


Making = Callable[[ConnectionSettings, Sender, Secret, Clock], System]


def _autotask(known: ConnectionSettings, sender: Sender, secret: Secret, clock: Clock) -> System:
    assert known.username and known.secret and known.integration_code  # noqa: S101, PT018 - the preset needs them
    headers = {"ApiIntegrationCode": secret(known.integration_code.secret), "Secret": secret(known.secret.secret)}
    return System(
        ZoneBase(known.username, known.url, sender, clock),
        ways_in.HeaderAuth(headers, {"UserName": known.username}),
        autotask.meaning,
        VendorCount(autotask.USAGE, autotask.usage, known.pause_at),
    )


def _connectwise(known: ConnectionSettings, sender: Sender, secret: Secret, clock: Clock) -> System:
    assert known.url and known.company and known.public_key and known.private_key  # noqa: S101, PT018
    plain = {"clientId": known.client_id or "", "Accept": connectwise.ACCEPT}
    name = f"{known.company}+{known.public_key}"
    return System(
        CodebaseBase(known.url, known.company, sender, clock),
        ways_in.BasicAuth(lambda: name, secret(known.private_key.secret), plain),
        connectwise.meaning,
    )


def _halo(known: ConnectionSettings, sender: Sender, secret: Secret, clock: Clock) -> System:
    assert known.tenant and known.client_id and known.client_secret  # noqa: S101, PT018 - the preset needs them
    at = (known.url or f"https://{known.tenant}.halopsa.com").rstrip("/")
    client_id = known.client_id

    async def fetch(form: Mapping[str, str]) -> Answer:
        return await sender.ask_beside("token", "POST", f"{at}/auth/token?tenant={known.tenant}", form)

    client_secret = secret(known.client_secret.secret)
    return System(Base(f"{at}/api"), ways_in.TokenAuth(fetch, lambda: client_id, client_secret, known.scope, clock))


SYSTEMS: Mapping[str, Making] = {"autotask": _autotask, "connectwise": _connectwise, "halo": _halo}
DIALECTS: Mapping[str, Callable[[ConnectionSettings], Dialect]] = {
    "autotask": lambda known: autotask.AutotaskDialect(any_case=known.push_case_insensitive),
    "halo": lambda known: HaloDialect(),
    "connectwise": lambda known: connectwise.ConnectWiseDialect(any_case=known.push_case_insensitive),
}


def dialect_of(known: ConnectionSettings) -> Dialect:
    """How the API of a connection is spoken to."""
    return DIALECTS[known.preset](known) if known.preset is not None else GenericDialect()
