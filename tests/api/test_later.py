"""What is promised for later says so."""

from uuid import uuid4

import pytest
from tests.api.conftest import Serve

from backfilld.api.public.backfills import not_supported


def concrete(path: str) -> str:
    return path.replace("{id}", str(uuid4()))


@pytest.mark.parametrize("listed", not_supported.PUBLIC, ids=lambda each: f"{each[0]} {each[1]}")
async def test_a_known_caller_is_told(serve: Serve, listed: tuple[str, str, str, str]) -> None:
    client = await serve(not_supported.routes(), role="admin")
    answer = await client.request(listed[0], concrete(listed[1]), data=b"anything")
    error = (await answer.json())["error"]

    assert (422, "not_supported_yet") == (answer.status, error["code"])


async def test_an_unknown_caller_is_told_nothing(serve: Serve) -> None:
    client = await serve(not_supported.routes(), role=None)
    answer = await client.post(f"/public-api/backfills/{uuid4()}/rerun")

    assert 401 == answer.status


async def test_a_malformed_id_is_404_here_too(serve: Serve) -> None:
    client = await serve(not_supported.routes(), role="admin")

    assert 404 == (await client.post("/public-api/backfills/7/rerun")).status


async def test_what_is_served_by_now_is_left_out() -> None:
    left = not_supported.routes(implemented=(("POST", "/public-api/backfills/{id}/rerun"),))

    assert len(not_supported.PUBLIC) - 1 == len(left)
