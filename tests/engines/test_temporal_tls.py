"""The connection to a server behind TLS, which may ask for our certificate, too."""

import asyncio
import datetime
import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.executing import FreePermit, work

from backfilld.executors.secrets import SecretStore
from backfilld.executors.temporal.terms import TlsTerms

pytestmark = pytest.mark.engines
PEM, NOW = serialization.Encoding.PEM, datetime.datetime.now(datetime.UTC)


def made(name: str, by: "tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None" = None):
    """A certificate for that name and its key, signed by `by`, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    return builder.sign(key if by is None else by[1], hashes.SHA256()), key


def texts(pair) -> tuple[str, str]:
    certificate, key = pair
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(PEM).decode(), private.decode()


@asynccontextmanager
async def behind_tls(server, folder: Path, ca: str, own: tuple[str, str], *, asks: bool):
    """The address of a way to the server that speaks TLS, and with `asks` wants a certificate of `ca`."""
    for name, text in (("ca", ca), ("own", own[0]), ("key", own[1])):
        (folder / name).write_text(text)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca"))
    context.load_cert_chain(folder / "own", folder / "key")
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
    host, port = server.address.split(":")

    async def pump(reader, writer):
        with suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, ssl.SSLError):
            writer.close()

    async def connected(reader, writer):
        carrying.add(asyncio.current_task())
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer), return_exceptions=True)
        except asyncio.CancelledError:  # asked for below, and nothing that a callback of the loop should hear of
            pass
        finally:
            for one in (writer, there_writer):
                one.transport.abort()

    carrying = set()
    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


async def test_certificates_of_both_sides_let_us_in_and_nothing_else_does(server, worker, executor_on, scratch):
    authority, other = made("authority"), made("somebody else")
    ca, wrong = texts(authority)[0].encode(), texts(other)[0].encode()
    certificate, key = texts(made("client", authority))
    secrets = SecretStore({"cert": certificate, "key": key})
    own = texts(made("temporal.internal", authority))
    ways = {
        "ours": (TlsTerms(ca, "cert", "key", "temporal.internal"), "succeeded"),
        "no certificate": (TlsTerms(ca, server_name="temporal.internal"), "unreachable"),
        "another authority": (TlsTerms(wrong, "cert", "key", "temporal.internal"), "refused"),
        "another name": (TlsTerms(ca, "cert", "key", "temporal.example"), "refused"),
        "the system's authorities": (TlsTerms(None, "cert", "key", "temporal.internal"), "refused"),
        "no such secret": (TlsTerms(ca, "cert", "nothing", "temporal.internal"), "refused"),
    }
    said, told = {}, {}
    async with behind_tls(server, scratch, ca.decode(), own, asks=True) as address:
        for name, (tls, _) in ways.items():
            executor = executor_on(address, secrets=secrets, tls=tls)
            item = work(idempotency_key=f"tls_{uuid4().hex}", attributes={}, timeout_seconds=60.0)
            verdict = await executor.execute(item, FreePermit())
            said[name] = verdict.kind.value
            told[name] = verdict.error or ""
            await executor._parts.close()

    assert {name: kind for name, (_, kind) in ways.items()} == said
    assert "perhaps it wants a certificate" in told["no certificate"]
    assert "TLS: InvalidCertificate(UnknownIssuer)" in told["another authority"]


async def test_an_authority_alone_is_enough_where_nobody_asks_for_more(server, worker, executor_on, scratch):
    authority = made("authority")
    ca = texts(authority)[0]
    async with behind_tls(server, scratch, ca, texts(made("temporal.internal", authority)), asks=False) as address:
        executor = executor_on(address, tls=TlsTerms(ca.encode(), server_name="temporal.internal"))
        item = work(idempotency_key=f"tls_{uuid4().hex}", attributes={}, timeout_seconds=60.0)
        verdict = await executor.execute(item, FreePermit())
        await executor._parts.close()

    assert "succeeded" == verdict.kind
