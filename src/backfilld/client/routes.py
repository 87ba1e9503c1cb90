"""The API's routes as methods. Bodies and answers are the documents of the API, passed on as they are."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence

from backfilld.client.answers import Answer, Json
from backfilld.client.backfills import BackfillRoutes
from backfilld.client.calling import PUBLIC, given, part
from backfilld.client.digdag import DigdagRoutes
from backfilld.client.transport import Patience, Transport
from backfilld.client.uploads import ndjson, with_types
from backfilld.clock import Clock, SystemClock


class Client(BackfillRoutes):
    """One daemon, as one caller. Use as an async context manager, or call `close`.

    Every method raises ApiError for a refusal and ServerUnreachable if nobody answers.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, clock: Clock | None = None, patience_seconds: float = 60.0
    ) -> None:
        self.url = url.rstrip("/")
        self._clock = clock or SystemClock()
        self._patience_seconds = patience_seconds
        self._http = Transport(url, api_key, clock=self._clock, patience=Patience(patience_seconds))
        self.digdag = DigdagRoutes(self._http)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.close()

    # Entities

    async def list_entity_types(self) -> Answer:
        return await self._get("/entity-types")

    async def list_fields(self, entity_type: str) -> Answer:
        """From a sample of its records. `data`: fields."""
        return await self._get(f"/entity-types/{part(entity_type)}/fields")

    async def list_sources(self) -> Answer:
        """`data`: sources."""
        return await self._get("/sources")

    async def list_engines(self) -> Answer:
        """`data`: engines."""
        return await self._get("/engines")

    async def test_engine(self, name: str) -> Answer:
        """Asks whether work could run there. `data`: test."""
        return await self._post(f"/engines/{part(name)}/test", None)

    async def list_engine_schedules(self, name: str, *, project: str | None = None) -> Answer:
        """`data`: schedules, each with its mirror if it has one."""
        return await self._get(f"/engines/{part(name)}/schedules", project=project)

    async def list_mirrors(self) -> Answer:
        """`data`: mirrors."""
        return await self._get("/mirrors")

    async def create_mirror(self, engine: str, project: str, workflow: str, *, here: str | None = None) -> Answer:
        """Make a schedule of an engine known here. `data`: mirror."""
        body = {"engine": engine, "project": project, "workflow": workflow}
        return await self._post("/mirrors", body if here is None else {**body, "as": here})

    async def delete_mirror(self, id: int) -> Answer:
        """Nothing changes on the engine."""
        return await self._delete(f"/mirrors/{id}")

    async def list_targets(self) -> Answer:
        """`data`: targets."""
        return await self._get("/targets")

    async def ask_target(self, target: str, *, reason: str | None = None) -> Answer:
        """Has the next probe of it made at once. `data`: message."""
        return await self._post("/targets/try-now", given(target=target, reason=reason))

    async def get_system(self) -> Answer:
        """How the installation is. `data`: system."""
        return await self._get("/system")

    async def test_source(self, entity_type: str) -> Answer:
        """Asks for fields, the number of entities and one of them. `data`: test."""
        return await self._post(f"/sources/{part(entity_type)}/test", None)

    async def put_entities(self, entity_type: str, entities: Sequence[Json]) -> Answer:
        """Store a handful; see `upload_entities` for many. `data`: inserted, updated, unchanged."""
        return await self.upload_entities(entity_type, ndjson(entities))

    async def upload_entities(
        self,
        entity_type: str,
        lines: AsyncIterable[bytes],
        *,
        replace: bool = False,
        field_types: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Store what `lines` (NDJSON, in pieces of any size) holds, all of it or nothing; sent as it is produced.

        `replace`: whatever else the type held is removed. `field_types` are added to what is known of the type.
        A daemon that refuses hangs up on a long upload: ServerUnreachable then. To hear why, send nothing first.
        """
        path = f"{PUBLIC}/entities/{part(entity_type)}"
        query: dict[str, object] = {"replace": True} if replace else {}
        if field_types:
            lines = with_types(lines, field_types)
        return await self._http.upload("PUT", path, lines, "application/x-ndjson", query=query)

    async def list_entities(self, entity_type: str, **query: object) -> Answer:
        return await self._get(f"/entities/{part(entity_type)}", **query)

    async def get_entity(self, entity_type: str, id: str) -> Answer:
        return await self._get(f"/entities/{part(entity_type)}/{part(id)}")

    async def delete_entity(self, entity_type: str, id: str, *, reason: str | None = None) -> Answer:
        return await self._delete(f"/entities/{part(entity_type)}/{part(id)}", reason=reason)

    # Workflows, windows, keys, the daemon itself

    async def list_workflows(self, **query: object) -> Answer:
        return await self._get("/workflows", **query)

    async def push_project(self, archive: bytes, **query: object) -> Answer:
        """Push a gzip tar; `project` and `revision` name it. `data`: the project, in the words of the dialect."""

        async def pieces() -> AsyncIterator[bytes]:
            yield archive

        return await self._http.upload("PUT", "/api/projects", pieces(), "application/gzip", query=query)

    async def create_workflow(self, body: Json) -> Answer:
        return await self._post("/workflows", body)

    async def get_workflow(self, id: int) -> Answer:
        return await self._get(f"/workflows/{id}")

    async def edit_workflow(self, id: int, changes: Json) -> Answer:
        return await self._http.request("PATCH", f"{PUBLIC}/workflows/{id}", body=changes)

    async def delete_workflow(self, id: int, *, reason: str | None = None) -> Answer:
        return await self._delete(f"/workflows/{id}", reason=reason)

    async def preview_windows(self, body: Json) -> Answer:
        return await self._post("/windows/preview", body)

    async def preview_schedule(self, body: Json) -> Answer:
        """`data`: sessions."""
        return await self._post("/schedules/preview", body)

    async def list_api_keys(self, **query: object) -> Answer:
        return await self._get("/api-keys", **query)

    async def revoke_api_key(self, id: str, *, reason: str | None = None) -> Answer:
        return await self._delete(f"/api-keys/{part(id)}", reason=reason)

    async def stop_all(self, *, reason: str | None = None) -> Answer:
        """Once this has returned, nothing starts in any daemon on the database. `data`: stopped, by, reason, since."""
        return await self._post("/stop-all", given(reason=reason))

    async def start_all(self, *, reason: str | None = None) -> Answer:
        """Take back a stop. `data` as of `stop_all`."""
        return await self._post("/start-all", given(reason=reason))

    async def list_brakes(self) -> Answer:
        """`data`: brakes."""
        return await self._get("/brakes")

    async def test_brake(self, name: str, *, since: str | None = None) -> Answer:
        """Look now. `data`: brake, value, says, error, bad, critical, took_ms."""
        return await self._post(f"/brakes/{part(name)}/test", given(since=since))

    async def reset_brake(self, name: str, *, reason: str | None = None) -> Answer:
        """Let it go on after it was critical. `data`: brake, message."""
        return await self._post(f"/brakes/{part(name)}/reset", given(reason=reason))

    async def release_brake(self, name: str, *, until: str, reason: str | None = None) -> Answer:
        """Hold it open until then. `data`: brake, message."""
        return await self._post(f"/brakes/{part(name)}/release", given(until=until, reason=reason))

    async def list_notifications(self) -> Answer:
        """`data`: notifications, the endpoints of the file."""
        return await self._get("/notifications")

    async def test_notification(self, name: str) -> Answer:
        """Send a test now. `data`: delivered, http_status, error, took_ms."""
        return await self._post(f"/notifications/{part(name)}/test", None)

    async def list_deliveries(self, name: str, **query: object) -> Answer:
        """One page of an endpoint's messages, newest first. `data`: deliveries."""
        return await self._get(f"/notifications/{part(name)}/deliveries", **query)

    async def resend_delivery(self, name: str, id: str | None = None) -> Answer:
        """Send one again, or all that nobody tries any more. `data`: resent."""
        one = "" if id is None else f"/{part(id)}"
        return await self._post(f"/notifications/{part(name)}/deliveries{one}/resend", None)

    async def list_audit_log(self, **query: object) -> Answer:
        """One page of who did what, newest first. `data`: events."""
        return await self._get("/audit-log", **query)

    async def health(self) -> Answer:
        return await self._http.request("GET", "/healthz")

    async def ready(self) -> Answer:
        """ApiError 503 with the reason while the daemon is not ready (asked again within the client's patience)."""
        return await self._http.request("GET", "/readyz")
