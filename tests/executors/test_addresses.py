"""Where no request ever goes."""

import asyncio
import socket

import pytest
from tests.support.executing import FreePermit, work
from tests.support.targets import answering, target

from backfilld.executors.http.addresses import address_is_allowed, host_is_listed, host_is_never_a_target, netloc_is_fit
from backfilld.executors.registry import ExecutorOptions

ANY = "0.0.0.0"  # noqa: S104 - nothing is bound to it


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.0.1", ANY, "0.1.2.3", "224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "fe80::1",
     "fe80::1%eth0", "ff02::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
     "::169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254",
     "febf::1", "fd00:ec2::23", "fd00:ec2::123", "fd00:42::42", "fd00:c1::a9fe:a9fe",
     "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:ffff:ffff:ffff:a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::",
     "64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00::", "64:ff9b:1::6464:64c8",
     "2001:0:a9fe:a9fe::1", "2001:0:808:808:0:0:5601:5601", "2001:db8::5efe:a9fe:a9fe", "fd00::200:5efe:a9fe:a9fe"],
)  # fmt: skip
def test_forbidden_addresses(address):
    assert False is address_is_allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "192.168.1.1",
        "8.8.8.8",
        "2001:db8::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b:1::a00:1",
        "64:ff9b:2::a9fe:a9fe",
        "2001:db8::a9fe:a9fe",
        "fd00:42::43",
        "fd00:ec3::1",
        "2001:0:808:808::1",
    ],
)
def test_other_addresses_are_allowed(address):
    assert True is address_is_allowed(address)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518",
     "metadata.google.internal", "metadata.tencentyun.com", "[fd00:ec2::23]",
     "METADATA.google.internal.", "metadata", "[fe80::1]", "fe80::1", "0", "0x0"],
)  # fmt: skip
def test_hosts_that_are_never_a_target_in_any_spelling(host):
    assert True is host_is_never_a_target(host)


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.1", "localhost", "2130706433", "metadata.example.com", "[::1]"]
)
def test_other_hosts_may_be_targets(host):
    assert False is host_is_never_a_target(host)


@pytest.mark.parametrize(
    ("host", "port", "entry", "listed"),
    [
        ("api.example.com", 443, "api.example.com", True),
        ("API.example.com.", 443, "api.Example.com", True),
        ("api.example.com", 8443, "api.example.com:8443", True),
        ("api.example.com", 443, "api.example.com:8443", False),
        ("a.b.example.com", 443, "*.example.com", True),
        ("example.com", 443, "*.example.com", False),
        ("evilexample.com", 443, "*.example.com", False),
        ("a.example.com", 80, "*.example.com:80", True),
        (".example.com", 443, "*.example.com", False),
        ("a..example.com", 443, "*.example.com", False),
        ("a.example.com.", 443, "*.example.com", True),
        ("::1", 80, "[::1]:80", True),
        ("::1", 80, "::1", True),
        ("10.0.0.1", 80, "10.0.0.2", False),
    ],
)
def test_allowed_hosts(host, port, entry, listed):
    assert listed is host_is_listed(host, port, ["other.example.org", entry])


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "[::ffff:169.254.169.254]", "[fe80::1]", ANY])
async def test_a_forbidden_literal_is_refused_without_a_start(executor_for, host):
    permit = FreePermit()
    verdict = await executor_for(f"http://{host}:1/").execute(work(), permit)

    assert ("refused", "address_not_allowed", 0) == (verdict.kind, verdict.error_class, permit.started)


async def test_a_name_that_resolves_to_a_forbidden_address_is_refused(executor_for, monkeypatch):
    """The name server is the one thing here that cannot be had for real."""
    resolving_to(monkeypatch, "169.254.169.254")
    permit = FreePermit()
    verdict = await executor_for("http://innocent.example/").execute(work(), permit)

    assert ("refused", "address_not_allowed", 0) == (verdict.kind, verdict.error_class, permit.started)


async def test_of_several_addresses_only_the_allowed_ones_are_tried(executor_for, monkeypatch):
    resolving_to(monkeypatch, "169.254.169.254", "127.0.0.1")
    async with target(answering()) as there:
        url = there.url.replace("127.0.0.1", "innocent.example")
        verdict = await executor_for(url).execute(work(), FreePermit())

        assert "succeeded" == verdict.kind


async def test_a_host_that_is_not_listed_is_refused(executor_for):
    async with target(answering()) as there:
        options = ExecutorOptions(allowed_hosts=("*.example.com",))
        verdict = await executor_for(there.url, options=options).execute(work(), FreePermit())

        assert ("refused", "host_not_allowed", []) == (verdict.kind, verdict.error_class, there.seen)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    loop = asyncio.get_running_loop()
    original = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **given: int) -> list[tuple[object, ...]]:
        if host != "innocent.example":  # the loop asks for addresses, too, before it connects to them
            return await original(host, port, **given)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("netloc", "fits"),
    [("[::1]", True), ("[::1]:80", True), ("[::1]x", False), ("x[::1]", False), ("[v1.x]", False), ("[1.2.3.4]", False),
     ("[]", False), ("example.com:80", True), ("a:b@[::1]", True), ("[::1%eth0]", False), ("[::1", False)],
)  # fmt: skip
def test_brackets_hold_an_address_and_nothing_else_follows(netloc, fits):
    assert fits is netloc_is_fit(netloc)
