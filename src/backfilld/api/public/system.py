"""How the installation is, over HTTP: the daemons on it, its database, and whether everything is stopped."""

from typing import Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Instant
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.stopping import StopOrder
from backfilld.operations.system.status import DaemonNow, DatabaseNow, SystemNow, SystemReading

TAG = "Daemon"
_DESCRIPTION = (
    "`/readyz` says whether this daemon can work, to whoever asks; this says more, to those who are let in. Of other"
    " daemons those are listed that hold something at this moment."
)


class CheckAnswer(Answer):
    """A part of this daemon."""

    name: str = Field(description="Which part.", examples=["database"])
    ok: bool = Field(description="Whether it can work.", examples=[True])
    message: str | None = Field(description="What is wrong; null: nothing.", examples=["postgres does not answer"])


class DatabaseAnswer(Answer):
    """The database in use."""

    name: str = Field(description="Which one, without its password.", examples=["backfilld on /run/postgresql"])
    version: str = Field(description="Of PostgreSQL.", examples=["16.4"])
    size_bytes: int = Field(description="How much it takes up.", examples=[104857600])
    latency_ms: float = Field(description="How long it took to answer just now.", examples=[1.2])

    @classmethod
    def of(cls, database: DatabaseNow) -> Self:
        latency = round(database.latency_seconds * 1000, 1)
        return cls(name=database.name, version=database.version, size_bytes=database.size_bytes, latency_ms=latency)


class DaemonAnswer(Answer):
    """A daemon on this database."""

    instance: str = Field(description="Its state directory, for ever.", examples=["0f6b3d5e9a2c4f7c8e1d2b3a4c5d6e7f"])
    process: str = Field(description="Its present process.", examples=["4711-9f86d081"])
    this: bool = Field(description="Whether it is the one that answers.", examples=[True])
    backfills: int = Field(description="How many it holds.", examples=[2])
    attempts: int = Field(description="How many single attempts it holds.", examples=[0])
    in_flight: int = Field(description="How many items are in flight in it.", examples=[7])

    @classmethod
    def of(cls, one: DaemonNow) -> Self:
        return cls(
            instance=one.instance,
            process=one.process,
            this=one.is_this,
            backfills=one.backfills,
            attempts=one.attempts,
            in_flight=one.in_flight,
        )


class StopAnswer(Answer):
    """The order to start nothing, or to start again, that was given last."""

    stopped: bool = Field(description="true: nothing starts until start-all.", examples=[False])
    by: str | None = Field(description="Who gave the order; null: there never was one.", examples=["anna"])
    reason: str | None = Field(description="What was said of it.", examples=["incident 4711"])
    since: Instant | None = Field(description="Since when it holds.", examples=["2027-03-14T07:00:00Z"])

    @classmethod
    def of(cls, order: StopOrder) -> Self:
        return cls(stopped=order.stopped, by=order.by, reason=order.why, since=order.since)


class SystemAnswer(Answer):
    """The installation as it is now."""

    version: str = Field(description="Of the daemon that answers.", examples=["0.2.0"])
    python: str = Field(description="What it runs on.", examples=["3.11.2"])
    tzdata: str = Field(description="The version of its time zone rules.", examples=["2026a"])
    started_at: Instant = Field(description="When it began.", examples=["2027-03-14T07:00:00Z"])
    ready: bool = Field(description="Whether all of its parts can work.", examples=[True])
    checks: list[CheckAnswer] = Field(description="Its parts.")
    database: DatabaseAnswer = Field(description="Its database.")
    daemons: list[DaemonAnswer] = Field(description="It first, then others.")
    stop: StopAnswer = Field(description="Whether everything is stopped.")

    @classmethod
    def of(cls, now: SystemNow) -> Self:
        return cls(
            version=now.version,
            python=now.python,
            tzdata=now.tzdata,
            started_at=now.started_at,
            ready=now.is_ready,
            checks=[CheckAnswer(name=name, ok=wrong is None, message=wrong) for name, wrong in now.checks.items()],
            database=DatabaseAnswer.of(now.database),
            daemons=[DaemonAnswer.of(one) for one in now.daemons],
            stop=StopAnswer.of(now.order),
        )


class SystemData(Answer):
    system: SystemAnswer = Field(description="All of it.")


def routes(reading: SystemReading) -> list[Route]:
    async def show(_: RequestContext[None, None]) -> Reply:
        return Reply(SystemData(system=SystemAnswer.of(await reading.read())))

    return [
        Route("GET", "/public-api/system", show, "viewer", "Show how the installation is", SystemData, tag=TAG,
              description=_DESCRIPTION),
    ]  # fmt: skip
