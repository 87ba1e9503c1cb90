"""Whether the daemon lives, whether it can work, and what can be counted about it; and what digdag clients ask first.

None of these asks for a key, except the metrics of a server that others can reach.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import structlog
from aiohttp import web
from pydantic import ConfigDict, Field

from backfilld import __version__
from backfilld.api.client_addresses import was_passed_on
from backfilld.api.framework.reading.fields import Answer, Instant, Query
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.clock import Clock
from backfilld.domain.access.callers import Role
from backfilld.domain.backfills.backlog import Backlog
from backfilld.domain.errors import Unauthenticated
from backfilld.domain.windows.timezones import tzdata_version
from backfilld.metrics import CONTENT_TYPE, Metrics

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
COUNTING_SECONDS = 2.0
TAG = "Health"


class Readiness(Protocol):
    """What can be asked about the daemon's parts."""

    @property
    def database_name(self) -> str:
        """Which database this is, for people; no password in it."""

    async def checks(self) -> Mapping[str, str | None]:
        """Each part with what is wrong with it; None: nothing. Answers within seconds."""

    @property
    def stopped_since(self) -> datetime | None:
        """Since when stop-all keeps everything from starting; None if it does not."""


class Alive(Answer):
    status: Literal["ok"] = "ok"
    version: str
    tzdata: str = Field(description="version of the time zone rules")


class Check(Answer):
    ok: bool
    message: str | None = Field(description="what is wrong, null if nothing is")


class Ready(Answer):
    status: Literal["ready", "not_ready"]
    database: str = Field(description="the database in use")
    stopped_since: Instant | None = Field(description="since when stop-all is in force; null if it is not")
    checks: dict[str, Check]


class Version(Answer):
    version: str


class VersionCheck(Answer):
    serverVersion: str
    upgradeRecommended: bool
    apiCompatible: bool


class CheckVersion(Query):
    model_config = ConfigDict(extra="ignore")

    client: str | None = Field(None, description="the version of the client")


@dataclass(frozen=True, slots=True)
class MetricsAccess:
    """`public`: nobody is asked for a key. `only_direct`: except where a proxy brings the request, which is what is
    meant on an address that only this machine can reach.
    """

    metrics: Metrics
    backlog: Callable[[], Awaitable[Backlog]]
    public: bool
    clock: Clock
    only_direct: bool = False


def routes(readiness: Readiness, metrics: MetricsAccess | None = None) -> list[Route]:
    """`/healthz`, `/readyz`, `/api/version…`, and `/metrics` if there are any."""

    async def healthz(_: RequestContext[None, None]) -> Reply:
        return Reply(Alive(version=__version__, tzdata=tzdata_version()))

    async def readyz(_: RequestContext[None, None]) -> Reply:
        found = await readiness.checks()
        checks = {name: Check(ok=wrong is None, message=wrong) for name, wrong in found.items()}
        is_ready = all(check.ok for check in checks.values())
        answer = Ready(
            status="ready" if is_ready else "not_ready",
            database=readiness.database_name,
            stopped_since=readiness.stopped_since,
            checks=checks,
        )
        if is_ready:
            return Reply(answer)
        return Reply(answer, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})

    found = [
        Route("GET", "/healthz", healthz, None, "Whether the process lives", Alive, tag=TAG),
        Route("GET", "/readyz", readyz, None, "Whether it can do its work", Ready, tag=TAG, same_shape=(503,)),
        *version_routes(),
    ]
    return found + ([metrics_route(metrics)] if metrics is not None else [])


def version_routes() -> list[Route]:
    """What digdag's command line asks before every other command."""

    async def version(_: RequestContext[None, None]) -> Reply:
        return Reply(Version(version=__version__))

    async def check(_: RequestContext[None, CheckVersion]) -> Reply:
        return Reply(VersionCheck(serverVersion=__version__, upgradeRecommended=False, apiCompatible=True))

    return [
        Route("GET", "/api/version", version, None, "The version of this server", Version, tag="digdag"),
        Route("GET", "/api/version/check", check, None, "Whether a client may go on", VersionCheck, query=CheckVersion,
              tag="digdag"),
    ]  # fmt: skip


def metrics_route(access: MetricsAccess) -> Route:
    """`/metrics`. Counting backfills takes the database; when it is away, everything else is told all the same."""

    async def scrape(asked: RequestContext[None, None]) -> web.Response:
        if access.only_direct and was_passed_on(asked.http):
            raise Unauthenticated("through a proxy this needs a key: name the proxy in server.trusted_proxies")
        try:
            async with asyncio.timeout(COUNTING_SECONDS):
                access.metrics.set_backlog(await access.backlog(), access.clock.now())
        except Exception as problem:
            log.debug("backlog not counted", error=repr(problem))
            access.metrics.forget_backlog()
        return web.Response(body=access.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    role: Role | None = None if access.public else "viewer"
    return Route("GET", "/metrics", scrape, role, "Numbers for Prometheus", None, tag=TAG, content_type="text/plain")
