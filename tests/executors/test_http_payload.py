"""What a target receives."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook
from tests.support.executing import BACKFILL, FreePermit, HurryingClock, work
from tests.support.targets import answering, target

from backfilld.domain.entities.attributes_text import AttributesText
from backfilld.executors.definitions.http import HttpExecutor
from backfilld.executors.http.wire.request_writer import RequestWriter, url_of
from backfilld.executors.payload import BodyWriter, item_body
from backfilld.executors.secrets import SecretStore

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_c2Vjb25kIHNlY3JldCBvZiB0aGUgdGVzdHM="


async def test_the_item_has_the_documented_shape(executor_for):
    async with target(answering()) as there:
        await executor_for(there.url + "/items").execute(work(attempt=2, rehearsal=True), FreePermit())

        [request] = there.seen
        assert ("POST", "/items") == (request.method, request.path)
        assert {
            "workflow": {"id": 7, "name": "enrich"},
            "backfill": {"id": str(BACKFILL), "name": "last year"},
            "entity": {
                "id": "T-1",
                "type": "ticket",
                "attributes": {"title": "Grüße", "priority": 2},
                "as_of": "2027-03-01T11:59:58Z",
            },
            "params": {"model": "small"},
            "rehearsal": True,
            "attempt": 2,
            "idempotency_key": work().idempotency_key,
        } == json.loads(request.body)


async def test_the_headers_name_the_item_and_us(executor_for):
    at = datetime(2027, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    async with target(answering()) as there:
        await executor_for(there.url, clock=HurryingClock(at)).execute(work(), FreePermit())

        headers = there.seen[0].headers
        assert work().idempotency_key == headers["idempotency-key"] == headers["webhook-id"]
        assert str(int(at.timestamp())) == headers["webhook-timestamp"]
        assert "application/json" == headers["content-type"]
        assert headers["user-agent"].startswith("backfilld/")
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
        assert "webhook-signature" not in headers


async def test_each_try_has_a_trace_of_its_own(executor_for):
    async with target(answering()) as there:
        executor = executor_for(there.url)
        await executor.execute(work(), FreePermit())
        await executor.execute(work(attempt=2), FreePermit())

        assert 2 == len({request.headers["traceparent"] for request in there.seen})


async def test_the_signature_satisfies_the_reference_library(executor_for):
    async with target(answering()) as there:
        executor = executor_for(there.url, secret={"secret": "signing"}, secrets=SecretStore({"signing": SECRET}))
        await executor.execute(work(), FreePermit())

        request = there.seen[0]
        assert "T-1" == Webhook(SECRET).verify(request.body, request.headers)["entity"]["id"]


async def test_during_a_rotation_both_secrets_verify(executor_for):
    async with target(answering()) as there:
        store = SecretStore({"signing": f"{SECRET}\n{OTHER_SECRET}\n"})
        await executor_for(there.url, secret={"secret": "signing"}, secrets=store).execute(work(), FreePermit())

        request = there.seen[0]
        assert 2 == len(request.headers["webhook-signature"].split(" "))
        Webhook(SECRET).verify(request.body, request.headers)
        Webhook(OTHER_SECRET).verify(request.body, request.headers)


async def test_own_headers_go_along_and_secret_ones_are_looked_up(executor_for):
    async with target(answering()) as there:
        executor = executor_for(
            there.url,
            headers={"X-Team": "data", "authorization": {"secret": "token"}, "user-agent": "ours"},
            secrets=SecretStore({"token": "Bearer abc\n"}),
        )
        await executor.execute(work(), FreePermit())

        headers = there.seen[0].headers
        assert ("data", "Bearer abc", "ours") == (headers["x-team"], headers["authorization"], headers["user-agent"])


async def test_reloaded_secrets_are_in_force_with_the_next_try(executor_for):
    store = SecretStore({"token": "old"})
    async with target(answering()) as there:
        executor = executor_for(there.url, headers={"Authorization": {"secret": "token"}}, secrets=store)
        await executor.execute(work(), FreePermit())
        store.replace({"token": "new"})
        await executor.execute(work(), FreePermit())

        assert ["old", "new"] == [request.headers["authorization"] for request in there.seen]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"n": 2**70, "l": [-(2**70)]}, {"n": str(2**70), "l": [str(-(2**70))]}),  # which no reader of JSON rounds
        ({"n": Decimal("12345678901234567.25")}, {"n": 12345678901234567.25}),
        ({"t": datetime(2027, 1, 2, tzinfo=UTC)}, {"t": "2027-01-02T00:00:00+00:00"}),
        (MappingProxyType({"a": MappingProxyType({"b": 1})}), {"a": {"b": 1}}),
        ({"s": "a\ud800b"}, {"s": "a\ud800b"}),
        ({"d": timedelta(seconds=1)}, {"d": "0:00:01"}),
    ],
)
async def test_any_attribute_that_a_source_may_hold_can_be_sent(executor_for, attributes, expected):
    async with target(answering()) as there:
        verdict = await executor_for(there.url).execute(work(attributes=attributes), FreePermit())

        assert "succeeded" == verdict.kind
        assert expected == json.loads(there.seen[0].body)["entity"]["attributes"]


async def test_path_and_query_of_the_url_arrive_as_written(executor_for):
    async with target(answering()) as there:
        await executor_for(there.url + "/a%2Fb/c?x=1%202&y=%7Bz%7D").execute(work(), FreePermit())

        assert "/a%2Fb/c?x=1%202&y=%7Bz%7D" == there.seen[0].path


async def test_no_cookie_is_ever_sent_back(executor_for):
    async with target(answering(headers={"Set-Cookie": "session=1"})) as there:
        executor = executor_for(there.url)
        await executor.execute(work(), FreePermit())
        await executor.execute(work(), FreePermit())

        assert "cookie" not in there.seen[1].headers


async def test_a_key_that_would_break_the_header_is_not_sent(executor_for):
    async with target(answering()) as there:
        with pytest.raises(ValueError, match="the value of a header"):
            await executor_for(there.url).execute(work(idempotency_key="a\r\nX-Evil: 1"), FreePermit())

        assert [] == there.seen


def test_one_writer_writes_for_any_url():
    """A placeholder in the path makes another URL for each item."""
    writer = RequestWriter(HttpExecutor(type="http", url="http://app.example"), SecretStore())
    requests = [writer.post(url_of(f"http://{host}/do?x=1"), work(), 1) for host in ("one.example", "two.example:81")]

    assert [
        [b"POST /do?x=1 HTTP/1.1", b"Host: one.example"],
        [b"POST /do?x=1 HTTP/1.1", b"Host: two.example:81"],
    ] == [request.split(b"\r\n")[:2] for request in requests]


PARAMS = {"model": "small"}
OTHERS: list[dict[str, Any]] = [
    {},
    {"entity_id": "T-2", "attempt": 3},
    {"params": {"model": "large"}},
    {"params": {"n": 2**70}},
    {"rehearsal": True},
    {"backfill_id": UUID(int=7)},
    {"backfill_name": None},
    {"backfill_id": None, "backfill_name": None},
    {"workflow_id": 8, "workflow_name": "notify"},
    {"entity_type": "task"},
    {"as_of": None},
    {"as_of": "2027-03-01T12:00:00Z"},
    {"attributes": AttributesText('{"a": "Grüße"}')},
    {"attributes": {"n": 2**70}},
    {"entity_id": 'a"\\\u2028 ü'},
    {"session": {"session_time": "2027-03-01T00:00:00+00:00"}, "attributes": {}},
    {"idempotency_key": 'k"'},
]


@pytest.mark.parametrize("first", range(len(OTHERS)))
def test_what_bodies_have_in_common_is_never_that_of_another_item(first):
    one, *others = (work(**{"params": PARAMS} | changes) for changes in (OTHERS[first], *OTHERS))
    for other in others:
        bodies = BodyWriter()

        assert [item_body(one), item_body(other), item_body(one)] == [bodies.body(each) for each in (one, other, one)]
