"""Mirrors over HTTP: schedules of an engine that are known here."""

from typing import Annotated, Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Body, Instant, Query
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.operations.engines.mirrors import MirrorOperations
from backfilld.store.schedules.mirrors import Mirror

PATH = "/public-api/mirrors"
TAG = "Engines"
_CREATE = """Reads the schedule of a workflow there, and makes a workflow and a schedule here that say the same. It
never fires here; backfills of it run there. 503 `engine_unreachable` where the engine is away: then nothing is made."""

Text = Annotated[str, Field(min_length=1, max_length=255)]


class MirrorAnswer(Answer):
    """A schedule of an engine, and what it is here."""

    id: int = Field(description="Of the mirror.", examples=[1])
    engine: str = Field(description="Where it runs.", examples=["wf"])
    project: str = Field(description="The project there.", examples=["reports"])
    workflow: str = Field(description="The workflow there; it has the same name here.", examples=["daily"])
    project_here: str = Field(description="The project here.", examples=["reports"])
    workflow_id: int = Field(description="The workflow here.", examples=[7])
    schedule_id: int | None = Field(description="The schedule here, to be backfilled.", examples=[3])
    schedule_id_there: str = Field(description="The schedule there.", examples=["17"])
    read_at: Instant = Field(description="When it was read last.", examples=["2027-03-14T07:00:00Z"])
    problem: str | None = Field(
        description="Why it could not be read since; null: it could.", examples=["wf: no connection"]
    )
    advances_to: Instant | None = Field(
        description="The run time at which the schedule there is still to go on.", examples=["2027-03-15T07:00:00Z"]
    )
    created_by: str = Field(description="Who made it.", examples=["anna@example.com"])
    created_at: Instant = Field(description="When.", examples=["2027-03-14T07:00:00Z"])

    @classmethod
    def of(cls, mirror: Mirror) -> Self:
        return cls(
            id=mirror.id,
            engine=mirror.engine,
            project=mirror.project,
            workflow=mirror.workflow,
            project_here=mirror.project_here,
            workflow_id=mirror.workflow_id,
            schedule_id=mirror.schedule_here,
            schedule_id_there=mirror.schedule_id,
            read_at=mirror.read_at,
            problem=mirror.problem,
            advances_to=mirror.advance_to,
            created_by=mirror.created_by,
            created_at=mirror.created_at,
        )


class MirrorData(Answer):
    mirror: MirrorAnswer = Field(description="The mirror.")


class MirrorsData(Answer):
    mirrors: list[MirrorAnswer] = Field(description="All of them, by id.")


class ScheduleThere(Answer):
    """A schedule of an engine."""

    project: str = Field(description="The project there.", examples=["reports"])
    workflow: str = Field(description="The workflow there.", examples=["daily"])
    mirror_id: int | None = Field(description="Its mirror; null: it has none.", examples=[1])
    schedule_id: int | None = Field(description="The schedule here that mirrors it.", examples=[3])


class SchedulesThereData(Answer):
    schedules: list[ScheduleThere] = Field(description="All of them, by project and workflow.")


class OfProject(Query):
    project: str | None = Field(None, description="only those of this project there")


class MakeMirror(Body):
    """What is mirrored."""

    engine: Text = Field(description="An engine of the configuration, of type `digdag`.", examples=["wf"])
    project: Text = Field(description="The project there.", examples=["reports"])
    workflow: Text = Field(description="The workflow there.", examples=["daily"])
    as_: Text | None = Field(
        None, alias="as", description="The project here; left out: of the same name.", examples=["reports"]
    )


class _Handlers:
    def __init__(self, mirrors: MirrorOperations) -> None:
        self._mirrors = mirrors

    async def list(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(MirrorsData(mirrors=[MirrorAnswer.of(one) for one in await self._mirrors.list()]))

    async def list_there(self, asked: RequestContext[None, OfProject]) -> Reply:
        found = await self._mirrors.list_there(asked.path["name"], asked.query.project)
        shown = [
            ScheduleThere(
                project=project,
                workflow=workflow,
                mirror_id=None if mirror is None else mirror.id,
                schedule_id=None if mirror is None else mirror.schedule_here,
            )
            for project, workflow, mirror in found
        ]
        return Reply(SchedulesThereData(schedules=shown))

    async def make(self, asked: RequestContext[MakeMirror, None]) -> Reply:
        body = asked.body
        made = await self._mirrors.create(
            asked.actor, engine=body.engine, project=body.project, workflow=body.workflow, here=body.as_
        )
        return Reply(MirrorData(mirror=MirrorAnswer.of(made)), status=201)

    async def delete(self, asked: RequestContext[None, None]) -> Reply:
        await self._mirrors.delete(asked.actor, asked.path["id"])
        return Reply(None, status=204)


def routes(mirrors: MirrorOperations) -> list[Route]:
    does = _Handlers(mirrors)
    return [
        Route("GET", PATH, does.list, "viewer", "List schedules of engines that are known here", MirrorsData, tag=TAG),
        Route("GET", "/public-api/engines/{name}/schedules", does.list_there, "operator",
              "List the schedules of an engine", SchedulesThereData, query=OfProject, tag=TAG, errors=(404, 503)),
        Route("POST", PATH, does.make, "admin", "Mirror a schedule of an engine", MirrorData, body=MakeMirror,
              status=201, tag=TAG, errors=(404, 409, 503), description=_CREATE),
        Route("DELETE", f"{PATH}/{{id}}", does.delete, "admin", "Forget a mirror", None, status=204,
              path_types={"id": int}, tag=TAG, errors=(404, 409),
              description="Its workflow here is hidden; nothing changes on the engine."),
    ]  # fmt: skip
