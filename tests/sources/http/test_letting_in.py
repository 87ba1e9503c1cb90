"""Being let in by an API: credentials, tokens that end, and what asking for them costs."""

import asyncio
import base64

import pytest
from tests.fake_psa.generic import GenericApi
from tests.sources.http.conftest import KEYSET, SECRET, Making, crm
from tests.sources.sql_asking import listed
from tests.support.waiting import eventually

from backfilld.sources.base import SourceBusy, SourceRefused


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ('{ type = "header", name = "X-Api-Key", value = { secret = "crm" } }', "X-Api-Key", SECRET),
        (
            '{ type = "basic", username = "me", password = { secret = "crm" } }',
            "Authorization",
            "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode(),
        ),
    ],
)
async def test_other_ways_to_be_let_in(api: GenericApi, making: Making, auth: str, header: str, value: str) -> None:
    text = crm(api.url).replace('{ type = "bearer", token = { secret = "crm" } }', auth)
    await listed(making(text + KEYSET)["ticket"])

    assert {value} == {one.headers[header] for one in api.asked}


def oauth(url: str, named: str = "client") -> str:
    auth = (
        f'{{ type = "oauth2", token_url = "{url}/token", client_id = "b", client_secret = {{ secret = "{named}" }} }}'
    )
    return crm(url).replace('{ type = "bearer", token = { secret = "crm" } }', auth) + KEYSET


async def test_a_token_is_fetched_once_and_again_after_a_401(api: GenericApi, making: Making) -> None:
    source = making(oauth(api.url))["ticket"]
    await listed(source)
    once = api.tokens_given
    api.reply(401, {})
    await listed(source)

    assert (1, 2) == (once, api.tokens_given)
    assert f"Bearer {api.token}" == api.asked[-1].headers["Authorization"]


async def test_a_token_that_ends_under_many_requests_is_replaced_once(api: GenericApi, making: Making) -> None:
    source = making(oauth(api.url))["ticket"]
    await listed(source)
    api.gate = asyncio.Event()  # all are on their way with the old token before the first is answered
    reading = [asyncio.create_task(listed(source)) for _ in range(4)]
    await eventually(lambda: api.at_once["/keyset"] == 4)
    for _ in reading:
        api.reply(401, {})
    api.gate.set()
    found = await asyncio.gather(*reading)

    assert [250] * 4 == [len(one) for one in found]
    assert 2 == api.tokens_given


async def test_what_is_asked_for_a_token_counts_like_everything_else(api: GenericApi, making: Making) -> None:
    text = oauth(api.url).replace("max_concurrent = 4", "requests_per_hour = 3")
    source = making(text)["ticket"]
    with pytest.raises(SourceBusy, match="the 3 requests an hour"):
        await listed(source)

    assert ["/token", "/keyset", "/keyset"] == api.paths()
    assert {("token", "ok"): 1, ("/keyset", "ok"): 2} == dict(source.connection.outcomes)


async def test_a_wrong_client_secret_is_refused(api: GenericApi, making: Making) -> None:
    source = making(oauth(api.url, "crm"))["ticket"]
    with pytest.raises(SourceRefused, match="invalid_client") as raised:
        await listed(source)

    assert SECRET not in str(raised.value)
