"""TLS to the database: with the right CA and name it is used, with wrong ones nothing is said to the server."""

import ssl

import pytest
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.system_postgres import Authority, system_postgres
from tests.support.waiting import eventually

from backfilld.clock import SystemClock
from backfilld.config import load_settings
from backfilld.store.connection.connect_errors import DatabaseRefused
from backfilld.store.connection.pool import wait_for_database
from backfilld.store.preflight import look_over

pytestmark = pytest.mark.slow


@pytest.fixture
def authority(scratch):
    return Authority(scratch)


@pytest.fixture
async def port(scratch, authority):
    """Of a server that shows a certificate for `localhost`, signed by `authority`."""
    certificate, key = authority.certify("localhost")
    async with system_postgres(scratch, ssl="on", ssl_cert_file=str(certificate), ssl_key_file=str(key)) as port:
        yield port


def address_with(port: int, *, host: str = "localhost", ca=None, query: str = ""):
    environ = {"BACKFILLD_DATABASE__DSN": f"postgresql://backfilld@{host}:{port}/postgres{query}"}
    if ca is not None:
        environ["BACKFILLD_DATABASE__CA_FILE"] = str(ca)
    return load_settings(None, environ).database.read_address()


async def test_the_right_ca_and_name_make_an_encrypted_connection(port, authority):
    by_setting = await look_over(address_with(port, ca=authority.file))
    by_dsn = await look_over(address_with(port, query=f"?sslmode=verify-full&sslrootcert={authority.file}"))

    assert by_setting.encrypted
    assert by_dsn.encrypted


@pytest.mark.parametrize(
    ("host", "ca", "said"),
    [
        ("localhost", "another", "not signed by a CA that we trust"),
        ("127.0.0.1", "right", "made for another host"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted_is_refused_with_the_reason(
    port, scratch, authority, host, ca, said
):
    other = Authority(scratch, "another CA")
    address = address_with(port, host=host, ca={"right": authority.file, "another": other.file}[ca])
    with pytest.raises(DatabaseRefused) as refused:
        await wait_for_database(address, SystemClock())

    assert said in str(refused.value)
    assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)


async def test_a_weaker_mode_in_the_dsn_does_not_undo_the_ca(port, scratch):
    other = Authority(scratch, "another CA")
    with pytest.raises(DatabaseRefused, match="not signed"):
        await wait_for_database(address_with(port, ca=other.file, query="?sslmode=require"), SystemClock())


async def test_a_server_without_tls_is_refused_where_tls_is_demanded(scratch, authority):
    async with system_postgres(scratch) as port:
        with pytest.raises(DatabaseRefused, match="speaks no TLS"):
            await wait_for_database(address_with(port, ca=authority.file), SystemClock())


async def test_a_daemon_works_over_tls_and_does_not_start_without_trust(port, scratch, authority, target):
    dsn = f"postgresql://backfilld@localhost:{port}/postgres"
    target.script = lambda _: Reply()
    plan = Plan(target.url, dsn, database={"ca_file": str(authority.file)})
    async with daemon_process(scratch / "daemon", plan) as daemon:
        await daemon.start()
        await daemon.make_key()
        await daemon.upload([f"T{n}" for n in range(50)])
        ended = await daemon.ends(await daemon.create())
        (told,) = daemon.events("database")
        await daemon.stop()
        daemon.configure(Plan(target.url, dsn, database={"ca_file": str(Authority(scratch, "wrong").file)}))
        await daemon.launch()
        (refused,) = await eventually(lambda: daemon.events("not ready"))
        ready = await daemon.get("/readyz")

    assert "completed" == ended["status"]
    assert told["encrypted"]
    assert "ca_file" in refused["why"]
    assert 503 == ready[0]
