"""What is promised for later says so."""

from uuid import uuid4

import pytest
from tests.api.conftest import Serve

from backfilld.api.public import later


def concrete(path: str) -> str:
    id_ = "7" if path.startswith("/api/") else str(uuid4())
    return path.replace("{id}", id_).replace("{key}", "k").replace("{name}", "n")


@pytest.mark.parametrize("listed", later.PUBLIC, ids=lambda each: f"{each[0]} {each[1]}")
async def test_a_known_caller_is_told(serve: Serve, listed: tuple[str, str, str, str]) -> None:
    client = await serve(later.routes(), role="admin")
    answer = await client.request(listed[0], concrete(listed[1]), data=b"anything")
    error = (await answer.json())["error"]

    assert (422, "not_supported_yet") == (answer.status, error["code"])


@pytest.mark.parametrize("listed", later.DIGDAG, ids=lambda each: f"{each[0]} {each[1]}")
async def test_a_digdag_client_is_told_in_its_own_way(serve: Serve, listed: tuple[str, str, str, str]) -> None:
    client = await serve(later.routes(), role="admin")
    answer = await client.request(listed[0], concrete(listed[1]) + "?last_id=3")
    body = await answer.json()

    assert {"message", "status"} == set(body)
    assert (400, 400) == (answer.status, body["status"])


async def test_an_unknown_caller_is_told_nothing(serve: Serve) -> None:
    client = await serve(later.routes(), role=None)
    public = await client.get(f"/public-api/backfills/{uuid4()}/errors")
    digdag = await client.get("/api/projects")

    assert (401, 401) == (public.status, digdag.status)
    assert 401 == (await digdag.json())["status"]


async def test_roles_hold_for_what_comes_later(serve: Serve) -> None:
    client = await serve(later.routes(), role="operator")

    assert 403 == (await client.put("/api/projects")).status


async def test_a_malformed_id_is_404_here_too(serve: Serve) -> None:
    client = await serve(later.routes(), role="admin")

    assert 404 == (await client.get("/api/projects/no_such_id")).status
    assert 404 == (await client.get("/public-api/backfills/7/explain")).status


async def test_what_is_served_by_now_is_left_out() -> None:
    left = later.routes(implemented=(("GET", "/api/projects"),))

    assert len(later.PUBLIC) + len(later.DIGDAG) - 1 == len(left)
