"""Whose word is taken about where a request comes from."""

import ipaddress

import pytest
import structlog
from aiohttp.test_utils import make_mocked_request
from tests.api.conftest import Serve
from tests.support.waiting import eventually

from backfilld.api.client_addresses import (
    CLIENT_ADDRESS,
    ClientAddresses,
    Header,
    hops,
    neighbourhood,
    parse_address,
    was_passed_on,
)
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.framework.server import ServerOptions

LOOPBACK = (ipaddress.ip_network("127.0.0.1"),)
PROXIES = (*LOOPBACK, ipaddress.ip_network("10.0.0.0/24"), ipaddress.ip_network("2001:db8::/64"))


async def whence(asked: RequestContext[None, None]) -> Reply:
    return Reply({"address": asked.http[CLIENT_ADDRESS]})


ROUTES = [
    Route("GET", "/public-api/whence", whence, "viewer", "Where from", None),
    Route("GET", "/open", whence, None, "Where from, for everybody", None),
]


async def address_of(serve: Serve, addresses: ClientAddresses, *headers: tuple[str, str]) -> str:
    client = await serve(ROUTES, options=ServerOptions(addresses=addresses, stop_timeout_seconds=1))
    answer = await client.get("/open", headers=list(headers))
    return str((await answer.json())["address"])


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["2001:db8:1::7"], "2001:db8:1::7"),
        (["[2001:db8:1::7]:4711"], "2001:db8:1::7"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        (["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        (["6.6.6.6, 198.51.100.7, 10.0.0.4, 2001:db8::3"], "198.51.100.7"),
        (["10.0.0.3, 10.0.0.4"], "10.0.0.3"),
        (["6.6.6.6, nonsense"], "127.0.0.1"),
        (["6.6.6.6, unknown, 10.0.0.4"], "10.0.0.4"),
        (["6.6.6.6,"], "127.0.0.1"),
        ([""], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
async def test_the_right_most_address_that_is_no_proxy_is_the_caller(
    serve: Serve, written: list[str], address: str
) -> None:
    headers = [("X-Forwarded-For", value) for value in written]

    assert address == await address_of(serve, ClientAddresses(PROXIES), *headers)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("for=198.51.100.7", "198.51.100.7"),
        ('for=6.6.6.6, For="198.51.100.7:4711";proto=https;by=10.0.0.3', "198.51.100.7"),
        ('for="[2001:db8:1::7]:4711"', "2001:db8:1::7"),
        ("for=6.6.6.6, for=_hidden", "127.0.0.1"),
        ("for=6.6.6.6, proto=https", "127.0.0.1"),
        ('for="6.6.6.6, for=198.51.100.7', "198.51.100.7"),
        ('for=198.51.100.7;host="x, for=6.6.6.6"', "127.0.0.1"),
        (r'for=198.51.100.7;host="\", for=6.6.6.6;x=\""', "127.0.0.1"),
        ("for=6.6.6.6;for=198.51.100.7", "127.0.0.1"),
    ],
)
async def test_the_standard_header_is_read_as_carefully(serve: Serve, written: str, address: str) -> None:
    addresses = ClientAddresses(PROXIES, "forwarded")

    assert address == await address_of(serve, addresses, ("Forwarded", written))


async def test_nobody_but_a_named_proxy_is_believed(serve: Serve) -> None:
    others = ClientAddresses((ipaddress.ip_network("10.0.0.0/24"),))

    assert "127.0.0.1" == await address_of(serve, others, ("X-Forwarded-For", "6.6.6.6"))
    assert "127.0.0.1" == await address_of(serve, ClientAddresses(), ("X-Forwarded-For", "6.6.6.6"))


@pytest.mark.parametrize(("header", "other"), [("x-forwarded-for", "Forwarded"), ("forwarded", "X-Forwarded-For")])
async def test_a_header_that_the_proxy_only_passes_on_is_not_looked_at(
    serve: Serve, header: Header, other: str
) -> None:
    made_up = "for=6.6.6.6" if other == "Forwarded" else "6.6.6.6"

    assert "127.0.0.1" == await address_of(serve, ClientAddresses(LOOPBACK, header), (other, made_up))


async def test_guesses_are_counted_by_the_address_behind_the_proxy(serve: Serve) -> None:
    options = ServerOptions(failed_logins_per_minute=2, addresses=ClientAddresses(LOOPBACK), stop_timeout_seconds=1)
    client = await serve(ROUTES, role=None, options=options)

    async def guess(forwarded: str) -> int:
        headers = {"Authorization": "Bearer guess", "X-Forwarded-For": forwarded}
        return (await client.get("/public-api/whence", headers=headers)).status

    guesses = [await guess(f"6.6.6.{number}, 198.51.100.7") for number in range(3)]

    assert [401, 401, 429] == guesses
    assert 401 == await guess("198.51.100.8")


async def test_guesses_from_one_ipv6_network_are_one_callers(serve: Serve) -> None:
    options = ServerOptions(failed_logins_per_minute=2, addresses=ClientAddresses(LOOPBACK), stop_timeout_seconds=1)
    client = await serve(ROUTES, role=None, options=options)
    statuses = []
    for number in range(3):
        headers = {"Authorization": "Bearer guess", "X-Forwarded-For": f"2001:db8:1:2::{number}"}
        statuses.append((await client.get("/public-api/whence", headers=headers)).status)

    assert [401, 401, 429] == statuses


async def test_the_log_names_who_guesses_once_a_minute(serve: Serve) -> None:
    options = ServerOptions(failed_logins_per_minute=2, addresses=ClientAddresses(LOOPBACK), stop_timeout_seconds=1)
    client = await serve(ROUTES, role=None, options=options)
    headers = {"Authorization": "Bearer guess", "X-Forwarded-For": "198.51.100.7"}
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            await client.get("/public-api/whence", headers=headers)
    told = [line for line in lines if line["event"] == "too many attempts with unknown credentials"]

    assert ["198.51.100.7"] == [line["client"] for line in told]


async def test_the_log_names_the_caller_of_a_request(serve: Serve) -> None:
    with structlog.testing.capture_logs() as lines:
        await address_of(serve, ClientAddresses(LOOPBACK), ("X-Forwarded-For", "198.51.100.7"))
        line = await eventually(lambda: next((line for line in lines if line["event"] == "request"), None))

    assert "198.51.100.7" == line["client"]


async def test_a_proxy_that_nobody_named_is_told_of_once(serve: Serve) -> None:
    client = await serve(ROUTES)
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            await client.get("/open", headers={"X-Forwarded-For": "198.51.100.7"})
    told = [line for line in lines if line["log_level"] == "warning"]

    assert ["127.0.0.1"] == [line["sender"] for line in told]


def test_a_direct_request_carries_no_mark_of_a_proxy() -> None:
    assert not was_passed_on(make_mocked_request("GET", "/", headers={"Host": "x"}))
    assert was_passed_on(make_mocked_request("GET", "/", headers={"Forwarded": "for=_x"}))


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [("198.51.100.7", "198.51.100.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("", ""), ("@", "@")],
)
def test_an_ipv6_customer_is_a_network(address: str, counted_as: str) -> None:
    assert counted_as == neighbourhood(address)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4:5:6", "[::1", "1" * 5_000, "1.2.3.4 5.6.7.8"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None


def test_a_long_header_is_read_quickly() -> None:
    assert 8_000 == len(hops("forwarded", [",".join(["a=;" * 5] * 8_000)]))
