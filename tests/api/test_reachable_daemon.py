"""The whole way: a daemon behind a proxy, and one that speaks TLS and is told of a renewed certificate."""

import re
import shutil
import ssl
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest
import structlog
from tests.support.daemon_within import daemon_within
from tests.support.targets import CERTIFICATE
from tests.support.waiting import eventually

from backfilld.app import Daemon
from backfilld.clock import SystemClock
from backfilld.config.certificate_dates import validities_in
from backfilld.domain.access.callers import Actor
from backfilld.operations.keys import create_key
from backfilld.store.connection.pool import Pool

RENEWED = Path(__file__).parents[1] / "support" / "renewed.pem"
FILE = """
[server]
port = 0
{server}
[state]
directory = "state"
[database]
dsn = "{dsn}"
[metrics]
public = {public}
"""


def running_daemon(folder: Path, dsn: str, server: str, *, public: bool = False) -> AbstractAsyncContextManager[Daemon]:
    return daemon_within(folder, FILE.format(dsn=dsn, server=server, public=str(public).lower()))


@pytest.mark.parametrize(
    ("server", "public", "headers", "status"),
    [
        ("", False, {}, 200),
        ("", False, {"X-Forwarded-For": "198.51.100.7"}, 401),
        ("", False, {"Via": "1.1 proxy"}, 401),
        ("", True, {"X-Forwarded-For": "198.51.100.7"}, 200),
        ('trusted_proxies = ["127.0.0.1"]', False, {}, 401),
        ('trusted_proxies = ["127.0.0.1"]', False, {"X-Forwarded-For": "127.0.0.1"}, 401),
        ('trusted_proxies = ["127.0.0.1"]', True, {"X-Forwarded-For": "198.51.100.7"}, 200),
    ],
)
async def test_metrics_are_open_to_this_machine_and_not_through_a_proxy(
    dsn: str, tmp_path: Path, server: str, public: bool, headers: dict[str, str], status: int
) -> None:
    async with running_daemon(tmp_path, dsn, server, public=public) as daemon, aiohttp.ClientSession() as session:
        answer = await session.get(f"{daemon.url}/metrics", headers=headers)

        assert status == answer.status


async def test_behind_a_proxy_a_viewer_reads_the_metrics(dsn: str, pool: Pool, tmp_path: Path) -> None:
    key = await create_key(pool, SystemClock(), name="scraper", role="viewer", actor=Actor.local("cli"))
    proxied = 'trusted_proxies = ["127.0.0.1"]'
    async with running_daemon(tmp_path, dsn, proxied) as daemon, aiohttp.ClientSession() as session:
        answer = await session.get(f"{daemon.url}/metrics", headers={"Authorization": f"Bearer {key.key}"})

        assert 200 == answer.status


async def test_the_document_names_the_public_address(dsn: str, tmp_path: Path) -> None:
    public = 'public_url = "https://b.example.com/run/"'
    async with running_daemon(tmp_path, dsn, public) as daemon, aiohttp.ClientSession() as session:
        document = await (await session.get(f"{daemon.url}/openapi.json")).json()
        home = await session.get(f"{daemon.url}/", allow_redirects=False)

    assert [{"url": "https://b.example.com/run"}] == document["servers"]
    assert "https://b.example.com/run/sign-in?next=%2F" == home.headers["Location"]


async def test_sighup_puts_a_renewed_certificate_in_force_and_a_broken_one_not(dsn: str, tmp_path: Path) -> None:
    shutil.copy(CERTIFICATE, tmp_path / "tls.pem")

    async def is_served_under(certificate: Path) -> bool:
        tls = ssl.create_default_context(cafile=str(certificate))
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/healthz", ssl=tls) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectorCertificateError:
            return False

    async with running_daemon(tmp_path, dsn, 'tls_certificate_file = "tls.pem"') as daemon:
        first = await is_served_under(CERTIFICATE)
        (tmp_path / "tls.pem").write_text("half of a certifi")
        with structlog.testing.capture_logs() as lines:
            daemon.reload()
            await eventually(lambda: any(line["event"] == "configuration not reloaded" for line in lines))
        still = await is_served_under(CERTIFICATE)
        shutil.copy(RENEWED, tmp_path / "tls.pem")
        daemon.reload()
        await eventually(lambda: is_served_under(RENEWED))
        old = await is_served_under(CERTIFICATE)
        async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/metrics", ssl=False) as answer:
            told = re.search(r"^backfilld_tls_certificate_expires_timestamp_seconds (\S+)$", await answer.text(), re.M)

    assert told
    assert validities_in(RENEWED)[0].ends.timestamp() == float(told[1])
    assert (True, True, False) == (first, still, old)
