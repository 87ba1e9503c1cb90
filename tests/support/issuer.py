"""An identity provider on this machine: real RSA keys, real HTTP, and every way in which one can fail.

async with running_issuer(clock) as issuer:
    token = issuer.token(roles=["Run.All"])      # of a person, version 2, good for an hour
    issuer.outage = "garbage"
"""

import asyncio
import base64
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import RSAAlgorithm

from backfilld.api.auth.entra_claims import Acceptance
from backfilld.clock import Clock

CLIENT = "0f4f5d0b-8a5e-4c3e-9a54-3c7b6f2f0a11"
TENANT = "6a1d2b6e-53c9-4a0c-8f6e-0d7c3f1b2e90"
SISTER = "b7c1f0aa-1f5e-4a58-93cb-9a2f7f0f6d02"  # trusted, too
STRANGER = "11111111-2222-4333-8444-555555555555"
ADA = "aaaaaaaa-0000-4000-8000-000000000001"
CLIENT_SECRET = "shh"
APP_URI = "api://backfill"
ROLES = {"Run.All": "operator", "Read.All": "viewer", "Everything": "admin"}


_made: dict[tuple[str, int], RSAPrivateKey] = {}


def rsa_key(name: str, bits: int = 2048) -> RSAPrivateKey:
    """The private key of that name; made once, since that takes a while."""
    if (name, bits) not in _made:
        _made[name, bits] = generate_private_key(65537, bits)
    return _made[name, bits]


class Issuer:
    """`served` names the keys that it publishes; `fetched` counts what it was asked for."""

    def __init__(self, clock: Clock) -> None:
        self.url = ""
        self.served = ["first"]
        self.more_keys: list[Any] = []
        self.outage: str | None = None  # 500, redirect, garbage, list, endless, silence, stranger, elsewhere, nothing
        self.fetched: Counter[str] = Counter()
        self.codes: dict[str, dict[str, str]] = {}  # what was asked for each code that was given out
        self.said: dict[str, Any] = {}  # of the person that signs in, beside what is usual
        self._clock = clock

    def sign_in(self, address: str) -> str:
        """A person follows `address` and signs in: where his browser is sent to then."""
        parts = urlsplit(address)
        asked = dict(parse_qsl(parts.query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked | {"tenant": parts.path.strip("/").split("/")[0]}
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    async def exchange(self, request: web.Request) -> web.Response:
        """A code for an ID token, once, and only for whoever asked for it."""
        sent = {name: str(value) for name, value in (await request.post()).items()}
        self.fetched[request.path] += 1
        if self.outage == "500":
            return web.Response(status=500)
        asked = self.codes.pop(sent.get("code", ""), {})
        challenge = _base64(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        proven = (asked.get("code_challenge"), asked.get("redirect_uri"), asked.get("client_id"), CLIENT_SECRET)
        given = (challenge, sent.get("redirect_uri"), sent.get("client_id"), sent.get("client_secret"))
        if asked.get("code_challenge_method") != "S256" or given != proven:
            return web.json_response({"error": "invalid_grant"}, status=400)
        said = {"tid": asked["tenant"], "scp": None, "azp": None, "nonce": asked["nonce"], "roles": ["Run.All"]}
        return web.json_response({"id_token": self.token(**said | self.said)})

    def acceptance(self, **settings: Any) -> Acceptance:
        """Trusts this issuer, for two tenants."""
        known: dict[str, Any] = {
            "audiences": frozenset({CLIENT, APP_URI}),
            "tenants": frozenset({TENANT, SISTER}),
            "roles": ROLES,
            "authority": self.url,
        }
        return Acceptance(**known | settings)

    def claims(self, *, version: int = 2, tid: str = TENANT, **claims: Any) -> dict[str, Any]:
        """What a token of Ada says; a claim that is given as None is left out."""
        now = int(self._clock.now().timestamp())
        said: dict[str, Any] = {
            "tid": tid, "oid": ADA, "sub": "x", "iat": now, "nbf": now, "exp": now + 3600, "ver": f"{version}.0",
            "scp": "user_impersonation", "uti": "u", "rh": "r",
        }  # fmt: skip
        if version == 2:
            said |= {
                "iss": f"{self.url}/{tid}/v2.0",
                "aud": CLIENT,
                "azp": "c",
                "preferred_username": "ada@example.com",
            }
        else:
            said |= {"iss": f"https://sts.windows.net/{tid}/", "aud": APP_URI, "appid": "c", "upn": "ada@example.com"}
        return {name: value for name, value in (said | claims).items() if value is not None}

    def token(
        self, *, key: str = "first", kid: str | None = None, headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """`claims` as in `claims`; signed by `key`, whose name is the `kid` unless another one is given."""
        return sign(self.claims(**claims), key, {"kid": kid or key, **(headers or {})})

    def app_token(self, **claims: Any) -> str:
        """Of a service that asked for itself."""
        return self.token(**{"scp": None, "preferred_username": None, "upn": None, "idtyp": "app", **claims})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Both documents, or what is there instead."""
        self.fetched[request.path] += 1
        if request.path.endswith("/authorize"):
            return self._ask(request)
        if self.outage in ("stranger", "elsewhere", "nothing", "endless") or self.outage is None:
            return web.json_response(self._document(request))
        if self.outage == "silence":
            await asyncio.sleep(3600)
        if self.outage == "redirect":
            raise web.HTTPFound(f"{self.url}/elsewhere{request.path}")
        bodies = {"500": (500, b"{}"), "garbage": (200, b"<html>"), "list": (200, b"[]")}
        status, body = bodies[self.outage]
        return web.Response(status=status, body=body)

    def _ask(self, request: web.Request) -> web.Response:
        """The page on which a person says who he is, or that he would rather not."""
        back = self.sign_in(str(request.url))
        declined = f"{back.partition('?')[0]}?{urlencode({'error': 'access_denied', 'state': request.query['state']})}"
        links = f'<a href="{escape(back)}">Ada</a> <a href="{escape(declined)}">Nobody</a>'
        head = '<title>Who are you?</title><link rel="icon" href="data:,">'
        return web.Response(text=f'<!doctype html><html lang="en">{head}{links}', content_type="text/html")

    def _document(self, request: web.Request) -> Any:
        tenant = request.path.strip("/").removeprefix("elsewhere/").split("/")[0]
        if request.path.endswith("/keys"):
            return {"keys": [] if self.outage == "nothing" else [*map(jwk, self.served), *self.more_keys]}
        issuer = f"{self.url}/{STRANGER if self.outage == 'stranger' else tenant}/v2.0"
        keys = "ftp://127.0.0.1/keys" if self.outage == "elsewhere" else f"{self.url}/{tenant}/discovery/v2.0/keys"
        own = f"{self.url}/{tenant}/oauth2/v2.0"
        ends = {"authorization_endpoint": f"{own}/authorize", "token_endpoint": f"{own}/token"}
        return {
            **ends,
            "issuer": issuer,
            "jwks_uri": keys,
            "padding": "x" * (2_000_000 if self.outage == "endless" else 0),
        }

    @property
    def fetches(self) -> int:
        """How often keys were asked for, whichever tenant's."""
        return sum(count for path, count in self.fetched.items() if path.endswith("openid-configuration"))


def sign(claims: Any, key: str = "first", headers: dict[str, Any] | None = None) -> str:
    """Any claims at all, correctly signed."""
    return sign_text(json.dumps(claims), key, headers)


def sign_text(text: str, key: str = "first", headers: dict[str, Any] | None = None) -> str:
    """Any text at all, correctly signed (whatever `alg` says in `headers`)."""
    header = {"typ": "JWT", "alg": "RS256", "kid": key, **(headers or {})}
    head, body, _ = unsigned_text(text, header).split(".")
    signature = rsa_key(key).sign(f"{head}.{body}".encode(), PKCS1v15(), SHA256())
    return f"{head}.{body}.{_base64(signature)}"


def unsigned(claims: Any, header: Any, signature: bytes = b"") -> str:
    """Any three parts at all."""
    return unsigned_text(json.dumps(claims), header, signature)


def unsigned_text(text: str, header: Any, signature: bytes = b"") -> str:
    return f"{_base64(json.dumps(header).encode())}.{_base64(text.encode())}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(name: str, bits: int = 2048) -> dict[str, Any]:
    """As Entra lists it: without `alg`, with the issuer as a pattern."""
    public = RSAAlgorithm.to_jwk(rsa_key(name, bits).public_key(), as_dict=True)
    numbers = {part: public[part] for part in ("kty", "n", "e")}
    issuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
    return numbers | {"use": "sig", "kid": name, "x5t": name, "x5c": ["MIIC"], "issuer": issuer}


@asynccontextmanager
async def running_issuer(clock: Clock) -> AsyncIterator[Issuer]:
    issuer = Issuer(clock)
    app = web.Application()
    app.router.add_get("/{path:.*}", issuer.answer)
    app.router.add_post("/{path:.*}/token", issuer.exchange)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await runner.cleanup()
