"""What stands around a daemon: the targets of its workflows, its sources, and the daemon itself if it runs."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from backfilld import __version__
from backfilld.cli.doctor.findings import Finding, ok, problem, warning
from backfilld.cli.doctor.machine import compared
from backfilld.clock import SystemClock
from backfilld.config import Settings
from backfilld.domain.unreadable import UnreadableRow
from backfilld.store.admin.workflows import WorkflowStore
from backfilld.store.connection.pool import Pool

SECONDS = 5.0
MOST_TARGETS = 100
PORTS = {"http": 80, "https": 443}
EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
REACH = "is it up, and may this machine reach it?"
RENEW = "whoever runs it has to renew the certificate; if it is new, look at this machine's clock"
TRUST = "is it the right host? If so, name what vouches for it by SSL_CERT_FILE in the daemon's environment"


async def targets(settings: Settings, pool: Pool | None) -> list[Finding]:
    """Whether each origin that a workflow is sent to takes connections. Nothing is sent."""
    definitions: list[Mapping[str, Any]] = [one.definition() for one in settings.workflows]
    if pool is not None:
        kept = await WorkflowStore(pool).list(limit=1_000)
        definitions += [one.definition for one in kept if not isinstance(one, UnreadableRow) and one.enabled]
    users: dict[str, set[str]] = {}
    for definition in definitions:
        executor = definition.get("executor") or {}
        if executor.get("type") == "http" and not executor.get("connection"):
            users.setdefault(_origin(str(executor.get("url", ""))), set()).add(str(definition["name"]))
    users.pop("", None)
    names = sorted(users)[:MOST_TARGETS]
    faults = await asyncio.gather(*map(_connect, names))
    return [_target(name, users[name], fault) for name, fault in zip(names, faults, strict=True)]


def _origin(url: str) -> str:
    try:
        split = urlsplit(url)
        return f"{split.scheme}://{split.hostname}:{split.port or PORTS[split.scheme]}" if split.hostname else ""
    except (ValueError, KeyError):
        return ""


def _target(name: str, users: Iterable[str], fault: tuple[str, str] | None) -> Finding:
    used = ", ".join(sorted(users))
    if fault is None:
        return ok("target", f"{name} takes connections (used by {used})")
    told, do = fault
    return problem("target", f"{name}: {told} (used by {used})", do)


async def _connect(origin: str) -> tuple[str, str] | None:
    """What is wrong, and what to do about it."""
    split = urlsplit(origin)
    context = ssl.create_default_context() if split.scheme == "https" else None
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(split.hostname, split.port, ssl=context)
    except ssl.SSLCertVerificationError as fault:
        told = f"its certificate is not believed: {fault.verify_message}"
        return told, RENEW if fault.verify_code == EXPIRED else TRUST
    except socket.gaierror as fault:
        return fault.strerror or str(
            fault
        ), "is the name in the workflow's URL right, and does this machine's DNS know it?"
    except TimeoutError:
        return f"no connection within {SECONDS:g} s", REACH
    except ssl.SSLError as fault:
        return f"no TLS with it: {fault.reason or fault}", "does it speak TLS there? If not, write its URL as http://"
    except OSError as fault:
        return fault.strerror or str(fault), REACH
    writer.close()
    return None


async def sources(settings: Settings) -> list[Finding]:
    """Whether all that entities come from can be asked: fields and a page of each."""
    from backfilld.app.sources.check import check_sources

    do = "`backfilld sources test TYPE` asks it again"
    found = [
        ok("source", f"{one.entity_type} can be read")
        if one.problem is None
        else problem("source", f"{one.entity_type}: {one.problem}", do)
        for one in await check_sources(settings)
    ]
    return found or [ok("sources", "all records are kept in the built-in store")]


async def daemon(running: str) -> list[Finding]:
    """What the daemon itself says, if one runs on this state directory."""
    if not running:
        return [
            warning("daemon", "none runs on this state directory", "`backfilld serve`, or `systemctl start backfilld`")
        ]
    try:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=False)) as session:
            async with session.get(f"{running}/readyz") as answer:
                ready, date = await answer.json(content_type=None), answer.headers.get("Date", "")
            async with session.get(f"{running}/healthz") as answer:
                version = (await answer.json(content_type=None)).get("version")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
        do = "its log says more: `journalctl -u backfilld`"
        return [problem("daemon", f"{running} does not answer: {type(fault).__name__}", do, vital=True)]
    return [*_parts(running, ready), *_versions(version), *_stopped(ready), *_dated(date)]


def _parts(running: str, ready: Mapping[str, Any]) -> list[Finding]:
    wrong = {name: check["message"] for name, check in ready["checks"].items() if not check["ok"]}
    if not wrong:
        return [ok("daemon", f"{running} is ready")]
    return [problem("daemon", f"{name}: {told}", "its log says more", vital=True) for name, told in wrong.items()]


def _versions(version: str | None) -> list[Finding]:
    if version == __version__:
        return []
    told = f"the daemon that runs is {version}, and this command is {__version__}"
    return [warning("versions", told, "restart the daemon, or use the command that belongs to it")]


def _stopped(ready: Mapping[str, Any]) -> list[Finding]:
    if not ready.get("stopped_since"):
        return []
    told = f"everything is stopped since {ready['stopped_since']}"
    return [warning("daemon", told, "`backfilld start-all`, by an admin; `backfilld status` says who and why")]


def _dated(date: str) -> list[Finding]:
    try:
        theirs = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return []
    apart = compared("the daemon", theirs, SystemClock().now())
    return [] if apart.state == "ok" else [apart]
